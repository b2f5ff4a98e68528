"""The two ends of a conversation: Python's ssl (OpenSSL), openssl s_client, and what they report."""

import dataclasses
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
import warnings

import pki
from net import CLOUD, OFFICE, inside

warnings.simplefilter("ignore", DeprecationWarning)
V10, V11, V12, V13 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
NAMES = {"TLSv1": "TLSv1.0", V10: "TLSv1.0", V11: "TLSv1.1", V12: "TLSv1.2", V13: "TLSv1.3"}
# Extensions that no stack of the TLS 1.0 days sent; Python has no names for these two options.
NO_EXTENDED_MASTER_SECRET, NO_ENCRYPT_THEN_MAC = 1 << 0, 1 << 19
WAIT_S = 10


def version_name(version):
    return NAMES.get(version, version) or ""


@dataclasses.dataclass
class Row:
    """One row of truth.csv."""

    client_ip: str
    client_port: int
    server_ip: str
    server_port: int
    offered_max: str = ""
    negotiated: str = ""
    server_name: str = ""
    upgrade: str = "direct"
    direction: str = "to-office365"
    established: str = "true"
    verdict: str = "passes"
    cause: str = ""


def context(server, least, most, ciphers="ALL:@SECLEVEL=0", groups=None, alpn=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version, made.maximum_version = least, most
    made.set_ciphers(ciphers)
    if most < V12:
        made.options |= NO_EXTENDED_MASTER_SECRET | NO_ENCRYPT_THEN_MAC
    if groups:
        made.set_ecdh_curve(groups)
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


# What old and new stacks offer, roughly: enough suites to be recognised, few enough to keep hellos small.
MODERN = ("ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:"
          "ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA:AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-SHA:AES128-SHA"
          ":@SECLEVEL=0")
OLD = "ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA:AES256-SHA:AES128-SHA:@SECLEVEL=0"


def client(most, least=V10, ciphers=None, **more):
    return context(False, least, most, ciphers or (MODERN if most >= V12 else OLD), **more)


def server(name, most=V13, least=V10, ciphers=None, **more):
    made = context(True, least, most, ciphers or "DEFAULT:@SECLEVEL=0", **more)
    made.load_cert_chain(*pki.certificate(*([name] if isinstance(name, str) else name)))
    return made


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listen(ns, address, port, mss=None):
    with inside(ns):
        sock = socket.socket(family(address), socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if mss:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
    sock.bind((address, port))
    sock.listen(8)
    sock.settimeout(WAIT_S)
    return sock


def dial(ns, source, target, mss=None):
    with inside(ns):
        sock = socket.socket(family(target[0]), socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if mss:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
    sock.bind(source)
    sock.settimeout(WAIT_S)
    sock.connect(target)
    return sock


def reset(sock):
    """Closes with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def web(name):
    """A small HTTPS exchange: (request, response)."""
    return (f"GET /ews/exchange.asmx HTTP/1.1\r\nHost: {name}\r\nUser-Agent: sample\r\n\r\n".encode(),
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def sip(name):
    """A keep-alive between SIP edges: OPTIONS and its answer."""
    head = (f"OPTIONS sip:{name}:5061 SIP/2.0\r\nVia: SIP/2.0/TLS edge.contoso.com:5061;branch=z9hG4bK1\r\n"
            f"From: <sip:edge.contoso.com>;tag=1\r\nTo: <sip:{name}>\r\nCall-ID: 1@edge.contoso.com\r\nCSeq: 1 OPTIONS\r\n"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n")
    return head.encode(), head.replace(f"OPTIONS sip:{name}:5061 SIP/2.0", "SIP/2.0 200 OK").encode()


@dataclasses.dataclass
class Talk:
    """What both ends said when the conversation was over."""

    client_said: str = ""
    server_said: str = ""
    client_error: str = ""
    server_error: str = ""
    resumed: bool = False
    session: object = None


def serve_one(listener, ctx, answer, talk, plain=None, hold=None, refuse=None):
    """Accepts one connection; `plain` speaks before TLS, `refuse` ends it after reading the hello."""
    try:
        raw, _ = listener.accept()
        raw.settimeout(WAIT_S)
        if plain:
            plain(raw)
        if refuse:
            raw.recv(65536)
            refuse(raw)
            return
        with ctx.wrap_socket(raw, server_side=True) as tls:
            talk.server_said = version_name(tls.version())
            tls.recv(65536)
            tls.sendall(answer)
            if hold:
                hold(tls)
            try:
                tls.unwrap().close()
            except OSError:
                pass
    except OSError as error:
        talk.server_error = str(error)


def talk(source, target, name, client_ctx, server_ctx, *, sni=True, exchange=None, ns=(OFFICE, CLOUD), plain=None,
         refuse=None, hold=None, session=None, mss=None, end=None, middle=None):
    """One connection from `source` to `target` over real TCP; `plain` is a (client, server) pair spoken first."""
    request, answer = exchange or web(name)
    done = Talk()
    listener = listen(ns[1], *target, mss=mss)
    plain_client, plain_server = plain or (None, None)
    thread = threading.Thread(target=serve_one, args=(listener, server_ctx, answer, done, plain_server,
                                                      hold and hold[1], refuse))
    thread.start()
    try:
        raw = dial(ns[0], source, target, mss=mss)
        if plain_client:
            plain_client(raw)
        client_ctx.check_hostname = sni
        client_ctx.load_verify_locations(pki.authority())
        tls = client_ctx.wrap_socket(raw, server_hostname=name if sni else None, session=session)
        done.client_said = version_name(tls.version())
        done.resumed = bool(tls.session_reused)
        tls.sendall(request)
        tls.recv(65536)
        if middle:
            middle()
        if hold:
            hold[0](tls)
        done.session = tls.session
        if end:
            end(tls)
        else:
            try:
                tls.unwrap().close()
            except OSError:
                tls.close()
    except OSError as error:
        done.client_error = str(error)
        raw.close()
    thread.join()
    listener.close()
    time.sleep(0.05)
    if done.client_said or done.server_said:
        assert done.client_said == done.server_said or done.client_error or done.server_error, done
    return done


def row(source, target, done, offered, name="", **more):
    """A truth row out of what the ends said; `more` overrides what they can't know."""
    known = {"negotiated": done.client_said or done.server_said,
             "established": "true" if done.client_said and not done.client_error else "false"}
    return Row(*source, *target, **{"offered_max": version_name(offered), "server_name": name, **known, **more})


def s_client(ns, source, target, options, feed=b"", pause_s=0.5, environment=None):
    """openssl s_client bound to an address and port; returns everything it printed."""
    bind, there = f"{source[0]}:{source[1]}", f"{target[0]}:{target[1]}"
    command = ["ip", "netns", "exec", ns, "openssl", "s_client", "-bind", bind, "-connect", there, *options.split()]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             env={**os.environ, **(environment or {})})
    time.sleep(pause_s)
    try:
        if feed:
            child.stdin.write(feed)
            child.stdin.flush()
            time.sleep(pause_s)
    except BrokenPipeError:
        pass  # it was refused and has gone
    try:
        printed, _ = child.communicate(timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        child.terminate()
        printed, _ = child.communicate()
    return printed.decode(errors="replace")


def s_client_version(printed):
    """The protocol that s_client reports, in our words; empty when no handshake was completed."""
    for line in printed.splitlines():
        if line.startswith("New, TLSv") and "Cipher is" in line or line.startswith("Reused, TLSv"):
            for other in printed.splitlines():
                if other.strip().startswith("Protocol"):
                    return version_name(other.split(":")[1].strip())
            return line.split(",")[1].strip()
    return ""
