"""Odd links between and beside the namespaces: a SPAN port that tags, a tunnel without Ethernet, a narrow router."""

import contextlib
import fcntl
import os
import select
import socket
import struct
import threading

from net import CLOUD, LAN, OFFICE, TRANSIT, WAN, inside, pair, quiet, sh

ETH_P_ALL, PACKET_OUTGOING = 3, 4
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


@contextlib.contextmanager
def span(tag):
    """A mirror of the office's link on the device `span1`, as a switch makes it: every frame is passed through `tag`, which
    returns the frames to send (with VLAN tags, twice, or not at all)."""
    sh("ip link add span0 type veth peer name span1", ns=OFFICE)
    for device in ("span0", "span1"):
        quiet(OFFICE, device)
        sh(f"sysctl -qw net.ipv6.conf.{device}.disable_ipv6=1", ns=OFFICE)
        sh(f"ip link set {device} mtu 1520 up", ns=OFFICE)
    with inside(OFFICE):
        source = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        source.bind((LAN, ETH_P_ALL))
        target = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        target.bind(("span0", 0))
    stop = threading.Event()

    def copy():
        while not stop.is_set():
            if select.select([source], [], [], 0.1)[0]:
                frame, (_, _, kind, _, _) = source.recvfrom(65536)
                for made in tag(frame, kind == PACKET_OUTGOING):
                    target.send(made)

    thread = threading.Thread(target=copy)
    thread.start()
    try:
        yield "span1"
    finally:
        stop.set()
        thread.join()
        source.close()
        target.close()


def tagged(frame, *tags):
    """The frame with VLAN tags, outermost first, each (protocol, identifier)."""
    return frame[:12] + b"".join(struct.pack(">HH", *tag) for tag in tags) + frame[12:]


@contextlib.contextmanager
def tunnel(office, cloud):
    """Two tun devices, one in each namespace, joined by a thread: IP packets without a link layer."""
    ends = []
    for ns, address in ((OFFICE, office), (CLOUD, cloud)):
        with inside(ns):
            end = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", b"tun0", IFF_TUN | IFF_NO_PI))
        sh("sysctl -qw net.ipv6.conf.tun0.disable_ipv6=1", ns=ns)
        sh(f"ip addr add {address}/32 dev tun0", ns=ns)
        sh("ip link set tun0 up", ns=ns)
        sh("ip route replace default dev tun0", ns=ns)
        ends.append(end)
    stop = threading.Event()

    def carry():
        while not stop.is_set():
            for end in select.select(ends, [], [], 0.1)[0]:
                os.write(ends[1 - ends.index(end)], os.read(end, 65536))

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield "tun0"
    finally:
        stop.set()
        thread.join()
        for end in ends:
            os.close(end)


def narrow_router(office, cloud, mtu):
    """A router between the two whose far side is narrow: what the office sends whole arrives in IP fragments."""
    for ns in (OFFICE, CLOUD, TRANSIT):
        sh(f"ip netns del {ns}", check=False)
        sh(f"ip netns add {ns}")
        sh("ip link set lo up", ns=ns)
        # Without path MTU discovery the senders leave "don't fragment" off.
        sh("sysctl -qw net.ipv4.ip_no_pmtu_disc=1 net.ipv4.ip_forward=1", ns=ns)
    pair(OFFICE, LAN, TRANSIT, "near", 0)
    pair(TRANSIT, "far", CLOUD, WAN, 1)
    sh(f"ip addr add {office}/32 dev {LAN}", ns=OFFICE)
    sh(f"ip addr add {cloud}/32 dev {WAN}", ns=CLOUD)
    sh(f"ip route add default dev {LAN}", ns=OFFICE)
    sh(f"ip route add default dev {WAN} mtu {mtu} advmss 1460", ns=CLOUD)
    sh(f"ip route add {office}/32 dev near", ns=TRANSIT)
    sh(f"ip route add {cloud}/32 dev far", ns=TRANSIT)
    sh(f"ip link set far mtu {mtu}", ns=TRANSIT)
    for device in ("near", "far"):
        sh(f"sysctl -qw net.ipv4.conf.{device}.proxy_arp=1 net.ipv4.neigh.{device}.proxy_delay=0", ns=TRANSIT)
