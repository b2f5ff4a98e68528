"""Versions, suites and refusals: what the two ends can agree on, direct TLS on 443 and 5061."""

import threading

import pki
from book import case
from net import CLOUD, OFFICE, Net, capture, sh
from peers import (V10, V11, V12, V13, Talk, client, dial, listen, reset, row, s_client, s_client_version,
                   serve_one, server, sip, talk, web)

OUTLOOK, OUTLOOK_NAME = ("40.96.12.34", 443), "outlook.office365.com"
SHAREPOINT, SHAREPOINT_NAME = ("13.107.136.9", 443), "contoso.sharepoint.com"
ENTRA, ENTRA_NAME = ("20.190.160.20", 443), "login.microsoftonline.com"
SIPDIR, SIPDIR_NAME = ("52.112.10.7", 443), "sipdir.online.lync.com"
SIPFED, SIPFED_NAME = ("52.112.10.5", 5061), "sipfed.online.lync.com"
EDGE, EDGE_NAME = ("10.20.2.5", 5061), "sip.contoso.com"
WWW, WWW_NAME = ("203.0.113.80", 443), "www.example.com"


def simple(path, source, target, name, client_ctx, server_ctx, offered, truth, **more):
    """One conversation, captured at the client."""
    Net(office=[source[0]], cloud=[target[0]])
    with capture(path):
        done = talk(source, target, name, client_ctx, server_ctx, **more)
    return [row(source, target, done, offered, name, **truth)]


@case("tls10-client-outlook", "A client that ends at TLS 1.0 reads its mail", "python")
def tls10(path):
    """The client offers TLS 1.0 and nothing newer, as Outlook on Windows 7 does without the registry keys. The
    server could do 1.3 and its ServerHello.random carries the downgrade mark. The row must say `breaks`,
    `client-too-old`."""
    return simple(path, ("10.20.1.11", 49211), OUTLOOK, OUTLOOK_NAME, client(V10), server(OUTLOOK_NAME), V10,
                  {"verdict": "breaks", "cause": "client-too-old"})


@case("tls11-client", "A client that ends at TLS 1.1", "python")
def tls11(path):
    """The client offers TLS 1.1 to SharePoint. The row must say `breaks`, `client-too-old`."""
    return simple(path, ("10.20.1.14", 49214), SHAREPOINT, SHAREPOINT_NAME, client(V11), server(SHAREPOINT_NAME), V11,
                  {"verdict": "breaks", "cause": "client-too-old"})


@case("tls12-ok", "A client of TLS 1.2", "python")
def tls12(path):
    """The client offers TLS 1.2 with the suites of Office 365. The row must say `passes`."""
    return simple(path, ("10.20.1.13", 49213), ENTRA, ENTRA_NAME, client(V12), server(ENTRA_NAME, V12), V12, {})


@case("tls13-ok", "A client of TLS 1.3", "python")
def tls13(path):
    """TLS 1.3 is chosen: the ServerHello says 1.2 in its old field and 1.3 in supported_versions. `passes`."""
    return simple(path, ("10.20.1.12", 49212), OUTLOOK, OUTLOOK_NAME, client(V13), server(OUTLOOK_NAME), V13, {})


@case("tls13-hello-retry-request", "TLS 1.3 with a HelloRetryRequest", "openssl", "python")
def retry(path):
    """The client sends a key share for X25519 but the server only takes P-384, so it asks again: two ClientHellos, and
    a ServerHello that is a HelloRetryRequest before the true one. One row, `TLSv1.3`, `passes`."""
    source = ("10.20.1.12", 49232)
    Net(office=[source[0]], cloud=[OUTLOOK[0]])
    with capture(path):
        done = s_talk(source, OUTLOOK, f"-groups X25519:P-384 -servername {OUTLOOK_NAME} -quiet",
                      server(OUTLOOK_NAME, groups="secp384r1"), web(OUTLOOK_NAME))
    return [row(source, OUTLOOK, done, V13, OUTLOOK_NAME, established="true")]


def s_talk(source, target, options, server_ctx, exchange=None, refuse=None, environment=None, ns=(OFFICE, CLOUD)):
    """openssl s_client against a Python server; the server's word counts, and the client's when it prints one."""
    done = Talk()
    request, answer = exchange or (b"", b"")
    listener = listen(ns[1], *target)
    thread = threading.Thread(target=serve_one, args=(listener, server_ctx, answer, done, None, None, refuse))
    thread.start()
    printed = s_client(ns[0], source, target, options, request, environment=environment)
    thread.join()
    listener.close()
    said = s_client_version(printed)
    assert not said or said == done.server_said, (said, done)
    done.client_said = said or done.server_said
    return done


@case("refused-by-alert", "The switch was thrown: alert protocol_version", "python")
def alert(path):
    """The client offers TLS 1.0; the server takes 1.2 or newer and says so with a fatal alert. `fails-today`,
    `client-too-old`; `alert` is `server:fatal:protocol_version`."""
    return simple(path, ("10.20.1.16", 49216), OUTLOOK, OUTLOOK_NAME, client(V10), server(OUTLOOK_NAME, least=V12), V10,
                  {"verdict": "fails-today", "cause": "client-too-old"})


@case("refused-by-reset", "The switch was thrown: reset after the hello", "python")
def refused_by_reset(path):
    """The server answers a TLS 1.0 hello with a TCP reset, as some front doors do. `fails-today`, `client-too-old`."""
    return simple(path, ("10.20.1.17", 49217), OUTLOOK, OUTLOOK_NAME, client(V10), None, V10,
                  {"verdict": "fails-today", "cause": "client-too-old"}, refuse=reset)


@case("refused-by-close", "The switch was thrown: FIN after the hello", "python")
def refused_by_close(path):
    """The server answers a TLS 1.0 hello by closing the connection. `fails-today`, `client-too-old`."""
    return simple(path, ("10.20.1.17", 49227), OUTLOOK, OUTLOOK_NAME, client(V10), None, V10,
                  {"verdict": "fails-today", "cause": "client-too-old"}, refuse=lambda sock: sock.close())


@case("refused-for-another-reason", "A good offer, refused all the same", "python")
def refused_otherwise(path):
    """The offer is TLS 1.2 and has a way through, but the server resets the connection. `unknown`: the version is
    not what was disliked."""
    return simple(path, ("10.20.1.17", 49237), OUTLOOK, OUTLOOK_NAME, client(V12), None, V12,
                  {"verdict": "unknown"}, refuse=reset)


@case("unanswered", "A TLS 1.0 hello that nobody answers", "python")
def unanswered(path):
    """The hello is acknowledged and never answered while the capture runs. `breaks`, `established` empty."""
    source = ("10.20.1.18", 49218)
    Net(office=[source[0]], cloud=[OUTLOOK[0]])
    listener = listen(CLOUD, *OUTLOOK)
    ctx = client(V10)
    with capture(path):
        raw = dial(OFFICE, source, OUTLOOK)
        ctx.check_hostname = False
        tls = ctx.wrap_socket(raw, server_hostname=OUTLOOK_NAME, do_handshake_on_connect=False)
        tls.settimeout(0.5)
        try:
            tls.do_handshake()
        except OSError:
            pass
    tls.close()
    listener.close()
    return [row(source, OUTLOOK, Talk(), V10, OUTLOOK_NAME, established="", verdict="breaks", cause="client-too-old")]


def inbound(path, port, server_ctx, truth, **more):
    """Office 365 dials the Access Edge on 5061 and offers TLS 1.2 and nothing else."""
    source = ("52.112.40.8", port)
    Net(office=[EDGE[0]], cloud=[source[0]])
    with capture(path):
        done = talk(source, EDGE, EDGE_NAME, client(V12, least=V12), server_ctx, ns=(CLOUD, OFFICE),
                    exchange=sip(EDGE_NAME), **more)
    return [row(source, EDGE, done, V12, EDGE_NAME, direction="from-office365", cause="server-too-old", **truth)]


@case("edge-refuses-office365", "Office 365 calls an edge that hangs up", "python")
def edge_refuses(path):
    """Office 365 dials the Access Edge on 5061, offers TLS 1.2, and gets a reset for an answer. `fails-today`,
    `server-too-old`."""
    return inbound(path, 51061, None, {"verdict": "fails-today"}, refuse=reset)


@case("edge-picks-lower-aborted", "An edge chooses TLS 1.0, Office 365 hangs up", "python")
def edge_aborted(path):
    """Office 365 dials the Access Edge on 5061; the edge selects TLS 1.0 and Office 365 ends the handshake with an alert,
    as Exchange Online does since 2021. The ServerHello was seen, so the row is `breaks`, `server-too-old`, with
    `established` `false`."""
    return inbound(path, 51063, server(EDGE_NAME, V10), {"verdict": "breaks", "negotiated": "TLSv1.0"})


@case("middlebox-downgrade", "TLS 1.2 offered to Office 365, TLS 1.0 chosen", "python")
def middlebox(path):
    """Office 365 chooses the best version that is offered, so whoever chose 1.0 here is something in between.
    `at-risk`, `middlebox`."""
    return simple(path, ("10.20.1.19", 49219), OUTLOOK, OUTLOOK_NAME, client(V12), server(OUTLOOK_NAME, V10), V12,
                  {"verdict": "at-risk", "cause": "middlebox"})


@case("middlebox-downgrade-aborted", "The same, and the client will not have it", "python")
def middlebox_aborted(path):
    """As middlebox-downgrade, but the client takes 1.2 only and ends the handshake with an alert after the ServerHello. The
    server here ignores what it was offered: it is tlslite-ng, told that the hello said 1.0. `at-risk`, `middlebox`,
    `negotiated` is what the server selected and `established` is `false`."""
    source = ("10.20.1.19", 49229)
    Net(office=[source[0]], cloud=[OUTLOOK[0]])
    import lite
    with capture(path):
        said, error = lite.stubborn_server(OUTLOOK, OUTLOOK_NAME, source, client(V12, least=V12))
    assert error, "the client must refuse"
    return [row(source, OUTLOOK, Talk(), V12, OUTLOOK_NAME, negotiated=said, verdict="at-risk", cause="middlebox")]


@case("fallback-dance", "A refused TLS 1.2 hello, then TLS 1.0 with TLS_FALLBACK_SCSV", "openssl", "python")
def fallback(path):
    """The first hello has a way through and is reset by something in between; the client tries again with TLS 1.0 and
    TLS_FALLBACK_SCSV, and that is let through. The first row is `unknown`, the retry `at-risk`, `middlebox`; the host's
    `offered_max` is TLSv1.2."""
    return dance(path, 49220, V10, "true")


@case("fallback-dance-refused", "The same dance, and the server spots it", "openssl", "python")
def fallback_refused(path):
    """As fallback-dance, but the retry meets a server of TLS 1.3, which sees TLS_FALLBACK_SCSV and answers
    inappropriate_fallback. The retry is still `at-risk`, `middlebox`."""
    return dance(path, 49222, V13, "false")


def dance(path, port, most, established, ip="10.20.1.20"):
    Net(office=[ip], cloud=[OUTLOOK[0]])
    with capture(path):
        return dance_rows(ip, port, most, established)


def dance_rows(ip, port, most, established):
    first, second = (ip, port), (ip, port + 1)
    old = {"OPENSSL_CONF": str(pki.settings())}
    name = f"-servername {OUTLOOK_NAME} -quiet"
    s_talk(first, OUTLOOK, f"-tls1_2 {name}", None, refuse=reset, environment=old)
    done = s_talk(second, OUTLOOK, f"-tls1 -fallback_scsv {name}", server(OUTLOOK_NAME, most), web(OUTLOOK_NAME),
                  environment=old)
    return [row(first, OUTLOOK, Talk(), V12, OUTLOOK_NAME, verdict="unknown"),
            row(second, OUTLOOK, done, V10, OUTLOOK_NAME, established=established, verdict="at-risk", cause="middlebox")]


def resumption(path, port, most, truth):
    """A full handshake and a resumed one, same client and server contexts."""
    sources = [("10.20.1.24", port), ("10.20.1.24", port + 1)]
    Net(office=[sources[0][0]], cloud=[OUTLOOK[0]])
    with capture(path):
        return resumption_rows(sources, most, truth)


def resumption_rows(sources, most, truth):
    theirs, ours = server(OUTLOOK_NAME), client(most)
    first = talk(sources[0], OUTLOOK, OUTLOOK_NAME, ours, theirs)
    second = talk(sources[1], OUTLOOK, OUTLOOK_NAME, ours, theirs, session=first.session)
    assert second.resumed and not first.resumed
    return [row(source, OUTLOOK, done, most, OUTLOOK_NAME, **truth) for source, done in zip(sources, (first, second))]


@case("resumed-tls12", "A resumed session of TLS 1.2", "python")
def resumed12(path):
    """A full handshake, then an abbreviated one with the session ticket of the first: no certificate in the second,
    `resumed` is `true` there. Both `passes`."""
    return resumption(path, 49224, V12, {})


@case("resumed-tls10", "A resumed session of TLS 1.0", "python")
def resumed10(path):
    """As resumed-tls12 at TLS 1.0. Both `breaks`, `client-too-old`."""
    return resumption(path, 49226, V10, {"verdict": "breaks", "cause": "client-too-old"})


@case("resumed-tls13", "A resumed session of TLS 1.3", "python")
def resumed13(path):
    """As resumed-tls12 at TLS 1.3: pre_shared_key in the second hello and in its ServerHello. Both `passes`."""
    return resumption(path, 49228, V13, {})


@case("no-common-suite", "TLS 1.2 with suites that Office 365 lacks", "python")
def no_suite(path):
    """An appliance offers TLS 1.2 with ChaCha20 and CAMELLIA suites only. The server here has them, Office 365 has not:
    `breaks`, `no-common-suite`, although the version is new enough."""
    suites = "ECDHE-RSA-CHACHA20-POLY1305:CAMELLIA256-SHA:CAMELLIA128-SHA:@SECLEVEL=0"
    return simple(path, ("10.20.1.28", 49238), ENTRA, ENTRA_NAME, client(V12, ciphers=suites),
                  server(ENTRA_NAME, V12, ciphers="ALL:@SECLEVEL=0"), V12, {"verdict": "breaks", "cause": "no-common-suite"})


@case("client-capped-elsewhere", "TLS 1.0 to Office 365, TLS 1.2 to others", "python")
def capped_elsewhere(path):
    """The same host shows elsewhere that it can do 1.2: a setting holds this program back, not the device. The first
    row is `breaks` with `client-capped`, the other `out-of-scope`."""
    sources = [("10.20.1.15", 49215), ("10.20.1.15", 49225)]
    Net(office=[sources[0][0]], cloud=[OUTLOOK[0], WWW[0]])
    with capture(path):
        return capped_rows(sources)


def capped_rows(sources):
    old = talk(sources[0], OUTLOOK, OUTLOOK_NAME, client(V10), server(OUTLOOK_NAME))
    new = talk(sources[1], WWW, WWW_NAME, client(V12), server(WWW_NAME))
    return [row(sources[0], OUTLOOK, old, V10, OUTLOOK_NAME, verdict="breaks", cause="client-capped"),
            row(sources[1], WWW, new, V12, WWW_NAME, direction="other", verdict="out-of-scope")]


@case("client-capped-suites", "A TLS 1.0 hello with suites of TLS 1.2", "tlslite", "python")
def capped_suites(path):
    """The hello says TLS 1.0 but lists GCM and SHA-256 suites: the library can do 1.2 and was told not to. Made with
    tlslite-ng, whose filter of suites by version is switched off for this. `breaks`, `client-capped`."""
    source = ("10.20.1.29", 49239)
    Net(office=[source[0]], cloud=[SHAREPOINT[0]])
    import lite
    with capture(path):
        done = lite.capped_client(source, SHAREPOINT, SHAREPOINT_NAME, server(SHAREPOINT_NAME))
    return [row(source, SHAREPOINT, done, V10, SHAREPOINT_NAME, verdict="breaks", cause="client-capped")]


@case("no-sni-certificate-name", "No SNI: the certificate names the service", "python")
def no_sni(path):
    """A phone that ends at TLS 1.0 sends no server_name; the certificate's subject alternative names tell which
    service it called. `server_name` comes from the certificate. `breaks`, `client-too-old`."""
    source = ("10.20.1.23", 49223)
    names = ("*.online.lync.com", SIPDIR_NAME)
    Net(office=[source[0]], cloud=[SIPDIR[0]])
    with capture(path):
        done = talk(source, SIPDIR, SIPDIR_NAME, client(V10), server(names), sni=False, exchange=sip(SIPDIR_NAME))
    return [row(source, SIPDIR, done, V10, "*.online.lync.com", verdict="breaks", cause="client-too-old")]


@case("ssl2-hello", "A hello in the format of SSL 2.0", "java", "python")
def ssl2(path):
    """Java sends its ClientHello in the SSL 2.0 format when SSLv2Hello is switched on, as Java 6 did by itself; the
    version inside is TLS 1.0 and the handshake goes on as TLS 1.0. keytool is the program, so no application data
    follows. There is no server_name in such a hello; the certificate has it. `breaks`, `client-too-old`."""
    source = "10.20.1.26"
    Net(office=[source], cloud=[OUTLOOK[0]])
    with capture(path):
        return ssl2_rows(source, 49240)


def ssl2_rows(source, port):
    done = Talk()
    listener = listen(CLOUD, *OUTLOOK)
    thread = threading.Thread(target=serve_one, args=(listener, server(OUTLOOK_NAME, V12), b"", done))
    thread.start()
    security = pki.HOME / "java.security"
    security.write_text("jdk.tls.disabledAlgorithms=NULL\n")
    # keytool can't bind: the office has one address to choose from, and the port range leaves one port.
    sh(f"sysctl -qw net.ipv4.ip_local_port_range='{port} {port}'", ns=OFFICE)
    sh(f"ip route replace {OUTLOOK[0]}/32 dev lan0 src {source}", ns=OFFICE)
    sh(f"keytool -J-Djava.security.properties={security} -J-Djdk.tls.client.protocols=SSLv2Hello,TLSv1 -printcert"
       f" -sslserver {OUTLOOK[0]}:443", ns=OFFICE, check=False)
    thread.join()
    listener.close()
    sh("sysctl -qw net.ipv4.ip_local_port_range='32768 60999'", ns=OFFICE)
    assert done.server_said == "TLSv1.0", done
    return [row((source, port), OUTLOOK, done, V10, OUTLOOK_NAME, established="true", verdict="breaks", cause="client-too-old")]


@case("post-quantum-hello", "A hello of two segments: post-quantum key share", "curl_cffi", "python")
def post_quantum(path):
    """A browser's hello with an X25519MLKEM768 key share is longer than a segment; GREASE values and permuted
    extensions come with it. The program is curl with BoringSSL as Chrome builds it. The server (OpenSSL 3.0) picks
    X25519. `passes`."""
    source = ("10.20.1.25", 49245)
    Net(office=[source[0]], cloud=[SHAREPOINT[0]])
    with capture(path):
        return post_quantum_rows(source)


def post_quantum_rows(source):
    import browser
    done = Talk()
    ctx = server(SHAREPOINT_NAME, alpn=["http/1.1"])
    listener = listen(CLOUD, *SHAREPOINT)
    thread = threading.Thread(target=serve_one, args=(listener, ctx, web(SHAREPOINT_NAME)[1], done))
    thread.start()
    browser.fetch(source, SHAREPOINT, SHAREPOINT_NAME)
    thread.join()
    listener.close()
    return [row(source, SHAREPOINT, done, V13, SHAREPOINT_NAME, established="true")]


@case("tiny-segments", "A hello in many small segments", "python")
def tiny(path):
    """Both ends agreed on a maximum segment size of 88 bytes, so hello and certificate are in dozens of pieces.
    `breaks`, `client-too-old`."""
    return simple(path, ("10.20.1.11", 49251), OUTLOOK, OUTLOOK_NAME, client(V10), server(OUTLOOK_NAME), V10,
                  {"verdict": "breaks", "cause": "client-too-old"}, mss=88)
