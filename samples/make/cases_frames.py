"""How frames look and what a capture lacks: VLANs, tunnels, fragments, one direction, a late start.

Nearly all carry the same conversation, a client that ends at TLS 1.0, so the row must say `breaks` in spite of the wrapping.
"""

import contextlib

import links
from book import case
from cases_versions import OUTLOOK, OUTLOOK_NAME, SHAREPOINT, SHAREPOINT_NAME, simple
from net import CLOUD, LAN, OFFICE, WAN, Net, capture, recorder, sh
from peers import V10, V12, V13, client, reset, row, server, talk

HOST = "10.20.1.11"
BREAKS = {"verdict": "breaks", "cause": "client-too-old"}


def old_talk(source, target=OUTLOOK, name=OUTLOOK_NAME, most=V13, **more):
    done = talk(source, target, name, client(V10), server(name, most), **more)
    return [row(source, target, done, V10, name, **BREAKS)]


def mirrored(path, port, tag):
    Net(office=[HOST], cloud=[OUTLOOK[0]])
    with links.span(tag) as device, capture(path, device=device, filter=""):
        return old_talk((HOST, port))


@case("vlan", "A SPAN port with VLAN tags", "python")
def vlan(path):
    """Every frame carries an 802.1Q tag, VLAN 120. The mirror is a program that copies the frames of the link to another
    link and adds the tag. `breaks`."""
    return mirrored(path, 49301, lambda frame, out: [links.tagged(frame, (0x8100, 120))])


@case("qinq", "A SPAN port with two VLAN tags", "python")
def qinq(path):
    """An 802.1ad tag (VLAN 2000) around an 802.1Q tag (VLAN 120). `breaks`."""
    return mirrored(path, 49302, lambda frame, out: [links.tagged(frame, (0x88A8, 2000), (0x8100, 120))])


@case("vlan-one-direction", "A SPAN port that tags one direction", "python")
def vlan_one(path):
    """Frames from the client carry VLAN 120, answers carry no tag; they are one connection all the same. `breaks`, and the
    capture doctor says what is odd."""
    return mirrored(path, 49303, lambda frame, out: [links.tagged(frame, (0x8100, 120)) if out else frame])


@case("mirror-duplicates", "A SPAN port that sees every frame twice", "python")
def duplicates(path):
    """Two ports are mirrored and every frame passes both. One connection, one row, `breaks`."""
    return mirrored(path, 49304, lambda frame, out: [frame, frame])


@case("ipv6", "IPv6", "python")
def ipv6(path):
    """The same over IPv6, from a unique local address to one of Exchange Online. `breaks`."""
    return simple(path, ("fd00:20::11", 49305), ("2603:1006::10", 443), OUTLOOK_NAME, client(V10), server(OUTLOOK_NAME), V10,
                  BREAKS)


@case("ip-fragments", "IP fragments", "curl_cffi", "python")
def fragments(path):
    """A router with an MTU of 576 stands between client and capture, and path MTU discovery is off: the segments of the
    long hello arrive in several IP fragments. A client of TLS 1.3: `passes`."""
    from cases_versions import post_quantum_rows
    source = (HOST, 49306)
    links.narrow_router(source[0], SHAREPOINT[0], 576)
    with capture(path, ns=CLOUD, device=WAN, filter="ip"):
        return post_quantum_rows(source)


@case("cooked-sll", "Linux cooked capture", "python")
def cooked(path):
    """tcpdump -i any -y LINUX_SLL: a cooked header instead of Ethernet. `breaks`."""
    Net(office=[HOST], cloud=[OUTLOOK[0]])
    with capture(path, device="any", extra="-y LINUX_SLL"):
        return old_talk((HOST, 49307))


@case("cooked-sll2", "Linux cooked capture, version 2", "python")
def cooked2(path):
    """tcpdump -i any -y LINUX_SLL2. `breaks`."""
    Net(office=[HOST], cloud=[OUTLOOK[0]])
    with capture(path, device="any", extra="-y LINUX_SLL2"):
        return old_talk((HOST, 49308))


@case("raw-ip", "IP packets without a link layer", "python")
def raw_ip(path):
    """Captured on a tun device (link type RAW). `breaks`."""
    Net()
    with links.tunnel(HOST, OUTLOOK[0]) as device, capture(path, device=device):
        return old_talk((HOST, 49309))


@case("offload", "Segmentation and checksum offload", "curl_cffi", "python")
def offload(path):
    """Captured on the host itself with offloads on at both ends: the hello is one frame longer than the link's MTU, and TCP
    checksums are not filled in. `passes`; a reader that drops bad checksums would see nothing."""
    from cases_versions import post_quantum_rows
    source = (HOST, 49310)
    Net(office=[source[0]], cloud=[SHAREPOINT[0]])
    for ns, device in ((OFFICE, LAN), (CLOUD, WAN)):
        sh(f"ethtool -K {device} tx on rx on tso on gso on gro on", ns=ns)
    with capture(path):
        return post_quantum_rows(source)


@case("snap-length", "A snap length of 256 bytes", "python")
def snap(path):
    """tcpdump -s 256: the hello and the ServerHello are whole, the certificate is cut. What decides was seen: `breaks`."""
    Net(office=[HOST], cloud=[OUTLOOK[0]])
    with capture(path, extra="-s 256"):
        return old_talk((HOST, 49311))


@case("pcapng-interfaces", "pcapng with two interfaces", "dumpcap", "python", file="input.pcapng")
def pcapng(path):
    """dumpcap -i lan0 -i lan1: two interfaces in one section, a conversation on each. One `breaks`, one `passes`."""
    net = Net(office=[HOST], cloud=[OUTLOOK[0]], links=2)
    net.move_link("10.20.5.12", SHAREPOINT[0], 1)
    command = f"ip netns exec {OFFICE} dumpcap -q -i lan0 -f tcp -i lan1 -f tcp -w {path}"
    with recorder(command.split(), path):
        new, other = ("10.20.5.12", 49313), old_talk((HOST, 49312))
        done = talk(new, SHAREPOINT, SHAREPOINT_NAME, client(V12), server(SHAREPOINT_NAME))
    return [*other, row(new, SHAREPOINT, done, V12, SHAREPOINT_NAME)]


@case("port-reuse", "Two connections with the same ports", "python")
def port_reuse(path):
    """The client ends a connection with a reset and dials again from the same port, with TLS 1.2 this time. Two
    connections, two rows: `breaks` and `passes`; `client-capped`, because the host shows that it can."""
    source = (HOST, 49314)
    Net(office=[HOST], cloud=[OUTLOOK[0]])
    with capture(path):
        rows = old_talk(source, end=lambda tls: reset(tls))
        done = talk(source, OUTLOOK, OUTLOOK_NAME, client(V12), server(OUTLOOK_NAME))
    rows[0].cause = "client-capped"
    return [*rows, row(source, OUTLOOK, done, V12, OUTLOOK_NAME)]


@case("midstream", "A capture that begins after the handshake", "python", checked=False)
def midstream(path):
    """The connection was up before the capture began; only application data is in it. The ends said TLS 1.0, but nothing
    here proves it: `unknown`, coverage `midstream`, both versions empty. That it was established does show, whatever the
    version: both sides sent application data."""
    source = (HOST, 49315)
    Net(office=[HOST], cloud=[OUTLOOK[0]])
    stack = contextlib.ExitStack()
    rows = old_talk(source, middle=lambda: stack.enter_context(capture(path)),
                    hold=(lambda tls: (tls.sendall(b"more"), tls.recv(100)), lambda tls: (tls.recv(100), tls.sendall(b"more"))))
    stack.close()
    rows[0].offered_max = rows[0].negotiated = rows[0].server_name = rows[0].cause = ""
    rows[0].verdict = "unknown"
    return rows


@case("no-syn", "A capture that begins after the SYN", "python")
def no_syn(path):
    """The three frames that open the connection are missing, the handshake is there: nothing that decides is lost.
    `breaks`, coverage `complete`."""
    Net(office=[HOST], cloud=[OUTLOOK[0]])
    with capture(path, filter="tcp and tcp[tcpflags] & tcp-syn == 0"):
        return old_talk((HOST, 49316))


@case("client-side-only", "Only the client's direction", "python")
def client_side(path):
    """Two hosts, and the answers take another way past the SPAN port. The offers decide: `breaks` for TLS 1.0 and
    `passes` for TLS 1.2, both with coverage `server-side-missing` and `established` empty."""
    old, new = (HOST, 49317), ("10.20.1.13", 49318)
    Net(office=[old[0], new[0]], cloud=[OUTLOOK[0]])
    with capture(path, filter=f"tcp and dst host {OUTLOOK[0]}"):
        rows = old_talk(old)
        done = talk(new, OUTLOOK, OUTLOOK_NAME, client(V12), server(OUTLOOK_NAME))
        rows.append(row(new, OUTLOOK, done, V12, OUTLOOK_NAME))
    for each in rows:
        each.negotiated = each.established = ""
    return rows


def server_side_only(path, port, most, **truth):
    Net(office=[HOST], cloud=[OUTLOOK[0]])
    with capture(path, filter=f"tcp and src host {OUTLOOK[0]}"):
        rows = old_talk((HOST, port), most=most)
    rows[0].offered_max = rows[0].established = ""
    for column, value in truth.items():
        setattr(rows[0], column, value)
    return rows


@case("server-side-only", "Only the server's direction, with the downgrade mark", "python")
def server_side(path):
    """Only answers were captured. TLS 1.0 was chosen, and ServerHello.random ends in the mark of RFC 8446 section 4.1.3, so the
    server could do better and the client was the limit: `breaks`, `client-too-old`, coverage `client-side-missing`. The name is
    the certificate's."""
    return server_side_only(path, 49319, V13)


@case("server-side-only-unmarked", "Only the server's direction, without the mark", "python")
def server_side_unmarked(path):
    """As server-side-only, but the server ends at TLS 1.0 itself and leaves no mark: who was the limit can't be told.
    `unknown`, coverage `client-side-missing`."""
    return server_side_only(path, 49320, V10, verdict="unknown", cause="")
