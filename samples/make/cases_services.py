"""What runs over TLS or turns into it: SIP, SMTP, XMPP, a web proxy, and the media relay that only looks like TLS."""

import os
import pathlib
import re
import smtplib
import ssl
import struct
import threading

import pki
import servers
from book import case
from cases_versions import EDGE, EDGE_NAME, SHAREPOINT, SHAREPOINT_NAME, SIPFED, SIPFED_NAME
from net import CLOUD, OFFICE, Net, capture, sh
from peers import (V10, V12, Row, Talk, client, dial, listen, row, s_client, serve_one, server, talk, version_name,
                   web)

EXCHANGE, EXCHANGE_NAME = ("10.20.3.25", 25), "mail.contoso.com"
PROTECTION, PROTECTION_NAME = ("40.107.20.30", 25), "contoso-com.mail.protection.outlook.com"
SUBMISSION, SUBMISSION_NAME = ("40.96.12.35", 587), "smtp.office365.com"
PARTNER, PARTNER_NAME = "198.51.100.22", "fabrikam.example"
PROXY = ("10.20.3.80", 8080)
RELAY = ("52.112.100.20", 443)


# --- SIP -------------------------------------------------------------------------------------------------------------

def options_request(source, name):
    """The keep-alive of one edge to another."""
    return (f"OPTIONS sip:{name}:5061;transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS {source[0]}:{source[1]};branch=z9hG4bK-1\r\n"
            f"From: <sip:{source[0]}>;tag=1\r\nTo: <sip:{name}>\r\nCall-ID: 1@{source[0]}\r\nCSeq: 1 OPTIONS\r\n"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n").encode()


def sip_rows(ns, source, target, names, options, method, offered, expected, mine=None, **truth):
    """One OPTIONS over mutual TLS from openssl s_client to kamailio, whose log tells the version and the port."""
    pem, key = pki.certificate(mine or (SIPFED_NAME if ns == CLOUD else EDGE_NAME))
    with servers.kamailio(CLOUD if ns == OFFICE else OFFICE, target[0], names, method) as log:
        s_client(ns, source, target, f"{options} -cert {pem} -key {key} -noservername -quiet -no_ign_eof",
                 options_request(source, names[0]), environment={"OPENSSL_CONF": str(pki.settings(old=offered < V12))})
        said = re.search(r"said (\S+) port (\d+)", log())
        assert said and (version_name(said[1]), int(said[2])) == (expected, source[1]), log()
    return [Row(*source, *target, version_name(offered), expected, names[0], **truth)]


@case("sip-federation-outbound", "An edge of TLS 1.0 calls sipfed.online.lync.com", "openssl", "kamailio")
def sip_outbound(path):
    """The Access Edge dials Office 365 on 5061 over mutual TLS and sends OPTIONS; its offer ends at TLS 1.0. No SNI, so
    the name is the certificate's. The client's certificate follows the server's CertificateRequest in clear. `breaks`,
    `client-too-old`."""
    source = (EDGE[0], 50611)
    Net(office=[source[0]], cloud=[SIPFED[0]])
    with capture(path):
        return sip_rows(OFFICE, source, SIPFED, [SIPFED_NAME], "-tls1", "TLSv1+", V10, "TLSv1.0", verdict="breaks",
                        cause="client-too-old")


@case("server-picks-lower", "Office 365 calls an edge, and the edge picks TLS 1.0", "openssl", "kamailio")
def sip_inbound(path):
    """Office 365 dials the Access Edge on 5061 and offers up to TLS 1.2; the edge selects 1.0, the only version it has.
    The server stays behind here: `breaks`, `server-too-old`, for 10.20.2.5 as a server."""
    source = ("52.112.40.8", 51062)
    Net(office=[EDGE[0]], cloud=[source[0]])
    with capture(path):
        return sip_rows(CLOUD, source, EDGE, [EDGE_NAME], "-no_tls1_3", "TLSv1", V12, "TLSv1.0", direction="from-office365",
                        verdict="breaks", cause="server-too-old")


# --- SMTP ------------------------------------------------------------------------------------------------------------

class Mailer(smtplib.SMTP):
    """smtplib, from an address of our choice."""

    def __init__(self, ns, source, target, name):
        self.place = ns, source, target
        super().__init__(timeout=10, local_hostname="mail.sender.example")
        self.connect(name, target[1])
        self._host = name

    def _get_socket(self, host, port, timeout):
        return dial(*self.place)


def mail(ns, source, target, name, most, log, **truth):
    ctx = client(most)
    ctx.load_verify_locations(pki.authority())
    negotiated = ""
    with Mailer(ns, source, target, name) as session:
        session.ehlo()
        session.starttls(context=ctx)
        negotiated = version_name(session.sock.version())
        session.ehlo()
        session.mail("a@sender.example")
        session.rcpt("b@contoso.com")
        session.rset()
    said = re.findall(r"TLS connection established from \S+: (\S+) with", log())[-1]
    assert version_name(said) == negotiated, (said, negotiated)
    return [Row(*source, *target, version_name(most), negotiated, name, "starttls-smtp", **truth)]


def mail_case(path, ns, source, target, name, protocols, most, **truth):
    ends = ([source[0]], [target[0]]) if ns == OFFICE else ([target[0]], [source[0]])
    Net(*ends)
    with servers.postfix(CLOUD if ns == OFFICE else OFFICE, target[0], name, protocols, target[1]) as log, capture(path):
        return mail(ns, source, target, name, most, log, **truth)


@case("smtp-starttls-inbound", "Exchange Online delivers to a mail server of TLS 1.0", "postfix", "python")
def smtp_inbound(path):
    """Exchange Online connects to port 25 of the mail server inside, says STARTTLS and offers TLS 1.2; the server selects
    1.0. Between mail servers that ends in cleartext and not in failure: `degrades`, `server-too-old`."""
    return mail_case(path, CLOUD, ("40.107.20.31", 51025), EXCHANGE, EXCHANGE_NAME, "<=TLSv1", V12,
                     direction="from-office365", verdict="degrades", cause="server-too-old")


@case("smtp-starttls-outbound", "A mail server of TLS 1.0 delivers to Exchange Online", "postfix", "python")
def smtp_outbound(path):
    """The mail server inside says STARTTLS to port 25 of Exchange Online Protection and offers TLS 1.0. `degrades`,
    `client-too-old`."""
    return mail_case(path, OFFICE, ("10.20.3.25", 50025), PROTECTION, PROTECTION_NAME, ">=TLSv1", V10, verdict="degrades",
                     cause="client-too-old")


@case("smtp-submission", "A multi-function printer submits mail with TLS 1.0", "postfix", "python")
def smtp_submission(path):
    """STARTTLS on port 587 of smtp.office365.com, TLS 1.0 offered. Submission does not fall back to cleartext: `breaks`,
    `client-too-old`."""
    return mail_case(path, OFFICE, ("192.168.7.90", 50587), SUBMISSION, SUBMISSION_NAME, ">=TLSv1", V10, verdict="breaks",
                     cause="client-too-old")


@case("x-anonymoustls", "Two Exchange servers upgrade with X-ANONYMOUSTLS", "python", checked=False)
def anonymous(path):
    """Exchange servers of one organisation upgrade with a verb of their own. Both ends are inside, so the row is
    `out-of-scope`; `upgrade` is `x-anonymoustls`. The SMTP lines are spoken by the script, the TLS in them is real.
    tshark 4.0 does not know the verb."""
    source, target = ("10.20.3.25", 50125), ("10.20.4.26", 25)
    Net(office=[source[0]], cloud=[target[0]])
    lines = [(b"220 ex02.contoso.com Microsoft ESMTP MAIL Service ready\r\n", b"EHLO ex01.contoso.com\r\n"),
             (b"250-ex02.contoso.com Hello [10.20.3.25]\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-X-ANONYMOUSTLS\r\n"
              b"250 X-EXPS NTLM\r\n", b"X-ANONYMOUSTLS\r\n"), (b"220 2.0.0 SMTP server ready\r\n", b"")]

    def ask(sock):
        for answer, question in lines:
            got = b""
            while len(got) < len(answer):
                got += sock.recv(4096)
            sock.sendall(question)

    def reply(sock):
        for answer, question in lines:
            sock.sendall(answer)
            if question:
                sock.recv(4096)

    with capture(path):
        done = talk(source, target, "ex02.contoso.com", client(V10), server("ex02.contoso.com"), sni=False,
                    plain=(ask, reply), exchange=(b"EHLO ex01.contoso.com\r\n", b"250 ex02.contoso.com\r\n"))
    return [row(source, target, done, V10, "ex02.contoso.com", upgrade="x-anonymoustls", direction="other",
                verdict="out-of-scope")]


# --- XMPP ------------------------------------------------------------------------------------------------------------

def xmpp(path, source, port, kind, protocol, options, offered, name=PARTNER_NAME):
    target = (PARTNER, port)
    Net(office=[source[0]], cloud=[PARTNER])
    with servers.prosody(CLOUD, PARTNER, name, protocol) as log, capture(path):
        return xmpp_rows(source, target, kind, options, offered, log, name)


def xmpp_rows(source, target, kind, options, offered, log, name=PARTNER_NAME):
    stream = "client" if kind == "xmpp" else "server"
    feed = (f"<stream:stream xmlns='jabber:{stream}' xmlns:stream='http://etherx.jabber.org/streams' to='{name}'"
            " version='1.0'>")
    printed = s_client(OFFICE, source, target, f"-starttls {kind} -xmpphost {name} {options}", feed.encode(),
                       environment={"OPENSSL_CONF": str(pki.settings())})
    said = version_name(re.search(r"Protocol\s*:\s*(\S+)", printed)[1])
    theirs = re.search(r"Stream encrypted \((\S+) with", log())
    assert theirs and version_name(theirs[1]) == said, log()
    return [Row(*source, *target, version_name(offered), said, name, "starttls-xmpp", "other", "true", "out-of-scope")]


@case("xmpp-starttls", "An XMPP client, STARTTLS, TLS 1.0", "openssl", "prosody")
def xmpp_client(path):
    """A client of port 5222 asks for STARTTLS and gets TLS 1.0. The server belongs to a partner, so the policy does not
    concern it: `out-of-scope`. The name is the stream's `to`, since no SNI is sent."""
    return xmpp(path, ("10.20.1.31", 50222), 5222, "xmpp", "tlsv1", "-no_tls1_3", V12)


@case("xmpp-starttls-server", "XMPP between servers, STARTTLS, TLS 1.0", "openssl", "prosody")
def xmpp_server(path):
    """The XMPP gateway of the Access Edge federates with a partner on port 5269 and offers TLS 1.0. `out-of-scope`."""
    return xmpp(path, ("10.20.2.7", 50269), 5269, "xmpp-server", "tlsv1+", "-tls1", V10)


# --- A web proxy -----------------------------------------------------------------------------------------------------

@case("http-connect", "TLS 1.0 through a web proxy", "curl", "tinyproxy", "python")
def http_connect(path):
    """curl asks the proxy for contoso.sharepoint.com:443 with CONNECT and offers TLS 1.0 inside the tunnel. Only the leg
    between client and proxy is captured. The flow counts for the name asked for: `to-office365`, `breaks`,
    `client-too-old`; the proxy gets no server row."""
    source = ("10.20.1.27", 49247)
    Net(office=[source[0]], cloud=[PROXY[0], SHAREPOINT[0]])
    with capture(path):
        return http_connect_rows(source)


def http_connect_rows(source):
    names = pathlib.Path(f"/etc/netns/{CLOUD}")
    names.mkdir(parents=True, exist_ok=True)
    (names / "hosts").write_text(f"{SHAREPOINT[0]} {SHAREPOINT_NAME}\n")
    done = Talk()
    listener = listen(CLOUD, *SHAREPOINT)
    thread = threading.Thread(target=serve_one, args=(listener, server(SHAREPOINT_NAME), web(SHAREPOINT_NAME)[1], done))
    thread.start()
    with servers.tinyproxy(CLOUD, PROXY[0]):
        sh(f"env OPENSSL_CONF={pki.settings(old=True)} curl -s --interface {source[0]} --local-port {source[1]}"
           f" --cacert {pki.authority()} --proxy http://{PROXY[0]}:{PROXY[1]} --tlsv1.0 --tls-max 1.0 --ciphers ALL:@SECLEVEL=0"
           f" https://{SHAREPOINT_NAME}/", ns=OFFICE)
        thread.join()
    listener.close()
    (names / "hosts").unlink()
    names.rmdir()
    return [row(source, PROXY, done, V10, SHAREPOINT_NAME, upgrade="http-connect", established="true", verdict="breaks",
                cause="client-too-old")]


# --- Pseudo-TLS ------------------------------------------------------------------------------------------------------

def pseudo_hello():
    """[MS-TURN] 2.1.1: a ClientHello of 50 bytes with one suite, 0x0018, and no extensions."""
    return bytes.fromhex("160301002d010000290301") + os.urandom(32) + bytes.fromhex("00000200180100")


def pseudo_answer():
    """[MS-TURN] 2.1.1: ServerHello and ServerHelloDone in one record of 83 bytes, no certificate."""
    return (bytes.fromhex("160301004e020000460301") + os.urandom(32) + b"\x20" + os.urandom(32)
            + bytes.fromhex("0018000e000000"))


def framed(kind, body):
    """[MS-TURN] 2.1.4: type, zero, length; 2 is control and 3 is data."""
    return struct.pack(">BBH", kind, 0, len(body)) + body


def turn(kind, transaction, *attributes):
    body = bytes.fromhex("000f000472c64bc6") + b"".join(attributes)
    return framed(2, struct.pack(">HH", kind, len(body)) + transaction + body)


def relay(source, target, hello, answer, after=()):
    """A conversation of fixed messages over real TCP; `after` lists (client's, server's)."""
    listener = listen(CLOUD, *target)
    steps = [(hello, answer), *after]

    def serve():
        sock, _ = listener.accept()
        for question, reply in steps:
            got = b""
            while len(got) < len(question):
                got += sock.recv(65536)
            sock.sendall(reply)
        sock.recv(1)
        sock.close()

    thread = threading.Thread(target=serve)
    thread.start()
    sock = dial(OFFICE, source, target)
    for question, reply in steps:
        sock.sendall(question)
        got = b""
        while len(got) < len(reply):
            got += sock.recv(65536)
    sock.close()
    thread.join()
    listener.close()


def media(source, target):
    transaction = os.urandom(16)
    version = bytes.fromhex("8008000400000004")
    address = bytes.fromhex("0001000800019c4034647864")
    sound = framed(3, b"\x80\x00" + os.urandom(58))
    relay(source, target, pseudo_hello(), pseudo_answer(),
          [(turn(0x0003, transaction, version), turn(0x0103, transaction, address)), (sound, sound), (sound, sound)])


def pseudo_row(source, target, **truth):
    return Row(*source, *target, **{"established": "", "verdict": "unaffected", **truth})


@case("pseudo-tls-turn", "The media relay that only looks like TLS 1.0", "python", checked=False)
def pseudo(path):
    """Skype for Business opens its media over TCP 443 with a hello that looks like TLS 1.0 and is none; plain TURN with
    frames `02 00` and `03 00` follows. A program of the script sends the bytes of [MS-TURN] 2.1.1 and 2.1.4 over real TCP,
    since the real client can't be had. `pseudo-tls`, `unaffected`. tshark takes it for TLS."""
    source = ("10.20.1.21", 50443)
    Net(office=[source[0]], cloud=[RELAY[0]])
    with capture(path):
        media(source, RELAY)
    return [pseudo_row(source, RELAY)]


@case("pseudo-tls-intercepted", "Pseudo-TLS meets a proxy that takes it for TLS", "python", checked=False)
def pseudo_intercepted(path):
    """The media hello of [MS-TURN] is answered by a true ServerHello and certificate: a web proxy took it for TLS and
    desktop sharing fails. The hello is the script's, the answering flight is OpenSSL's (to a hello of its own liking,
    as a proxy would ask for). `pseudo-tls`, `at-risk`, `middlebox`."""
    source = ("10.20.1.21", 50445)
    Net(office=[source[0]], cloud=[RELAY[0]])
    with capture(path):
        relay(source, RELAY, pseudo_hello(), flight("relay.online.lync.com"), [(b"\x15\x03\x01\x00\x02\x02\x0a", b"")])
    return [pseudo_row(source, RELAY, server_name="relay.online.lync.com", established="false",
                       verdict="at-risk", cause="middlebox")]


def flight(name):
    """The first flight of an OpenSSL server at TLS 1.0."""
    wire, back, lost, none = (ssl.MemoryBIO() for _ in range(4))
    ctx = client(V10)
    ctx.check_hostname = False
    for end in (ctx.wrap_bio(none, wire), server(name).wrap_bio(wire, back, server_side=True)):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
    return back.read()


@case("pseudo-tls-google", "The other pseudo-TLS, to somebody else", "python", checked=False)
def pseudo_google(path):
    """The fixed hello of WebRTC's ssltcp candidates has the SSL 2.0 format. The bytes are constants of that protocol,
    sent over real TCP by the script. The address is nobody's of Office 365: `pseudo-tls`, `out-of-scope`."""
    source, target = ("10.20.1.21", 50447), ("203.0.113.90", 443)
    hello = bytes.fromhex("8046010301002d000000100100800300800700c006004002008004008000000400feff00000a00fefe0000090000"
                          "640000620000030000061f170ca62f0078fc46552eb18339f1ea")
    answer = bytes.fromhex("160301004a020000460301428545a727a95da0b3c5e753da482b3fc65aca89c15852a1783c5b174600853f20"
                           "0ed306725b5b1b5f15ac13f988539d9be83d7b0c30326e384da27557416c345c000400")
    assert (len(hello), len(answer)) == (72, 79), (len(hello), len(answer))
    Net(office=[source[0]], cloud=[target[0]])
    with capture(path):
        relay(source, target, hello, answer, [(b"\x00\x14" + os.urandom(20), b"\x00\x14" + os.urandom(20))])
    return [pseudo_row(source, target, direction="other", verdict="out-of-scope")]
