"""One morning in one office: the input of `make demo`."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pki
import servers
from book import case
from cases_services import (EXCHANGE, EXCHANGE_NAME, PARTNER, PROTECTION, PROTECTION_NAME, PROXY, RELAY, SUBMISSION,
                            SUBMISSION_NAME, http_connect_rows, mail, media, pseudo_row, sip_rows, xmpp_rows)
from cases_versions import (EDGE, EDGE_NAME, ENTRA, ENTRA_NAME, OUTLOOK, OUTLOOK_NAME, SHAREPOINT, SHAREPOINT_NAME, SIPDIR,
                            SIPDIR_NAME, SIPFED, SIPFED_NAME, WWW, WWW_NAME, capped_rows, dance_rows, post_quantum_rows,
                            resumption_rows, ssl2_rows)
from net import CLOUD, OFFICE, Net, capture
from peers import V10, V11, V12, V13, Row, client, reset, row, server, sip, talk

TOO_OLD = {"verdict": "breaks", "cause": "client-too-old"}
REFUSED = {"verdict": "fails-today", "cause": "client-too-old"}
CHACHA = "ECDHE-RSA-CHACHA20-POLY1305:CAMELLIA256-SHA:CAMELLIA128-SHA:@SECLEVEL=0"
EDGE2, EDGE2_NAME = ("10.20.2.6", 5061), "sip.emea.contoso.com"
LATE, ONE_SIDED = "10.20.1.30", "10.20.1.22"
# host, first port, what it offers, where to, more for talk(), what must come out
PLAIN = [
    ("10.20.1.12", 50012, V13, (OUTLOOK, SHAREPOINT, ENTRA, WWW), {}, {}),
    ("10.20.1.13", 50013, V12, (ENTRA, OUTLOOK, SHAREPOINT), {}, {}),
    ("10.20.1.11", 50011, V10, (ENTRA, OUTLOOK), {}, TOO_OLD),
    ("10.20.1.14", 50014, V11, (SHAREPOINT,), {}, TOO_OLD),
    ("10.20.1.17", 50017, V10, (OUTLOOK,), {"refuse": reset}, REFUSED),
    ("10.20.1.23", 50023, V10, (SIPDIR,), {"sni": False}, TOO_OLD),
    ("10.20.1.32", 50032, V13, (SIPDIR, OUTLOOK), {}, {}),
]
NAMES = {OUTLOOK: OUTLOOK_NAME, SHAREPOINT: SHAREPOINT_NAME, ENTRA: ENTRA_NAME, SIPDIR: SIPDIR_NAME, WWW: WWW_NAME}


def plain(host, port, most, targets, more, truth):
    rows = []
    for number, target in enumerate(targets):
        source, name = (host, port + 100 * number), NAMES[target]
        exchange = {"exchange": sip(name)} if target == SIPDIR else {}
        done = talk(source, target, name, client(most), server(name, V12 if target == SIPDIR else V13), **more, **exchange)
        other = {"direction": "other", "verdict": "out-of-scope", "cause": ""} if target == WWW else {}
        rows.append(row(source, target, done, most, name, **{**truth, **other}))
    return rows


class LateStart:
    """A connection that is up before the capture begins and goes on in it."""

    def __init__(self, source, target, name):
        self.source, self.target, self.captured, self.up = source, target, threading.Event(), threading.Event()

        def mine(tls):
            self.up.set()
            self.captured.wait()
            for _ in range(3):
                tls.sendall(b"GET /notifications HTTP/1.1\r\n\r\n")
                tls.recv(4096)

        def theirs(tls):
            for _ in range(3):
                tls.recv(4096)
                tls.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        self.thread = threading.Thread(target=talk, args=(source, target, name, client(V12), server(name, V12)),
                                       kwargs={"hold": (mine, theirs)})
        self.thread.start()
        self.up.wait()

    def finish(self):
        self.captured.set()
        self.thread.join()
        # The address shows one certificate to everybody, so the name is known all the same.
        return [Row(*self.source, *self.target, server_name=OUTLOOK_NAME, verdict="unknown")]


@case("demo", "A morning in an office of twenty-odd hosts", "python", "openssl", "java", "curl_cffi", "curl", "kamailio",
      "postfix", "prosody", "tinyproxy")
def demo(path):
    """Some hosts pass, some break for different reasons, some fail already, one is hidden by a hole in the capture.

    | host | what it is | what must come out |
    |---|---|---|
    | 10.20.1.11 | Outlook on an old Windows, TLS 1.0 | `breaks`, `client-too-old` |
    | 10.20.1.12, .13, .32 | current clients, TLS 1.3 and 1.2 | `passes` |
    | 10.20.1.14 | an application of TLS 1.1 | `breaks`, `client-too-old` |
    | 10.20.1.15 | TLS 1.0 to Exchange Online, 1.2 elsewhere | `breaks`, `client-capped` |
    | 10.20.1.16 | TLS 1.0, answered by an alert | `fails-today` |
    | 10.20.1.17 | TLS 1.0, answered by a reset | `fails-today` |
    | 10.20.1.19 | TLS 1.2, and something in between chooses 1.0 | `at-risk`, `middlebox` |
    | 10.20.1.20 | refused at 1.2, then let through at 1.0 with TLS_FALLBACK_SCSV | `at-risk`, `middlebox` |
    | 10.20.1.21 | media over pseudo-TLS | `unaffected` |
    | 10.20.1.22 | asymmetric routing hides what it sends | `unknown` |
    | 10.20.1.23 | a phone, TLS 1.0 without SNI | `breaks`, `client-too-old` |
    | 10.20.1.24 | TLS 1.2 with a resumed session | `passes` |
    | 10.20.1.25 | a browser with a post-quantum key share | `passes` |
    | 10.20.1.26 | Java with a hello in the format of SSL 2.0 | `breaks`, `client-too-old` |
    | 10.20.1.27 | TLS 1.0 through the web proxy 10.20.3.80 | `breaks`, `client-too-old` |
    | 10.20.1.28 | TLS 1.2 with ChaCha20 and CAMELLIA only | `breaks`, `no-common-suite` |
    | 10.20.1.30 | connected before the capture began | `unknown` |
    | 10.20.2.5 | an Access Edge that picks TLS 1.0 when Office 365 calls, calls itself with 1.2 | `breaks` as a server |
    | 10.20.2.6 | an Access Edge that is fit | `passes` both ways |
    | 10.20.2.7 | the XMPP gateway, TLS 1.0 to a partner | `out-of-scope` |
    | 10.20.3.25 | a mail server of TLS 1.0 | `degrades` both ways |
    | 192.168.7.90 | a printer that submits mail with TLS 1.0 | `breaks`, `client-too-old` |

    The bytes of pseudo-TLS are sent by the script over real TCP; all else is spoken by the programs below."""
    office = [f"10.20.1.{last}" for last in range(11, 33)] + [EDGE[0], EDGE2[0], "10.20.2.7", EXCHANGE[0], "192.168.7.90"]
    cloud = [place[0] for place in (OUTLOOK, SHAREPOINT, ENTRA, SIPDIR, SIPFED, WWW, RELAY, PROXY, PROTECTION, SUBMISSION)]
    Net(office, cloud + [PARTNER, "52.112.40.8", "52.112.40.9", "40.107.20.31"])
    for name in [*NAMES.values(), EDGE_NAME, EDGE2_NAME, SIPFED_NAME]:
        pki.certificate(name)
    late = LateStart((LATE, 50030), OUTLOOK, OUTLOOK_NAME)
    with capture(path, filter=f"tcp and not src host {ONE_SIDED}"):
        rows = late.finish()
        with servers.prosody(CLOUD, PARTNER, "fabrikam.example", "tlsv1+") as log, ThreadPoolExecutor(1) as beside:
            clients = beside.submit(lambda: [made for each in PLAIN for made in plain(*each)])
            rows += xmpp_rows(("10.20.2.7", 50269), (PARTNER, 5269), "xmpp-server", "-tls1", V10, log)
            rows += clients.result()
        rows += odd_clients() + edges() + mails()
    return rows


def odd_clients():
    alert = ("10.20.1.16", 50016)
    middle, chacha, hidden = ("10.20.1.19", 50019), ("10.20.1.28", 50028), (ONE_SIDED, 50022)
    rows = [
        row(alert, OUTLOOK, talk(alert, OUTLOOK, OUTLOOK_NAME, client(V10), server(OUTLOOK_NAME, least=V12)), V10, OUTLOOK_NAME,
            **REFUSED),
        row(middle, OUTLOOK, talk(middle, OUTLOOK, OUTLOOK_NAME, client(V12), server(OUTLOOK_NAME, V10)), V12, OUTLOOK_NAME,
            verdict="at-risk", cause="middlebox"),
        row(chacha, ENTRA, talk(chacha, ENTRA, ENTRA_NAME, client(V12, ciphers=CHACHA),
                                server(ENTRA_NAME, V12, ciphers="ALL:@SECLEVEL=0")), V12, ENTRA_NAME,
            verdict="breaks", cause="no-common-suite"),
        row(hidden, ENTRA, talk(hidden, ENTRA, ENTRA_NAME, client(V10), server(ENTRA_NAME, V10)), V10, ENTRA_NAME,
            offered_max="", established="", verdict="unknown"),
    ]
    media(("10.20.1.21", 50021), RELAY)
    rows.append(pseudo_row(("10.20.1.21", 50021), RELAY))
    rows += capped_rows([("10.20.1.15", 50015), ("10.20.1.15", 50115)])
    rows += dance_rows("10.20.1.20", 50020, V10, "true")
    rows += resumption_rows([("10.20.1.24", 50024), ("10.20.1.24", 50124)], V12, {})
    rows += post_quantum_rows(("10.20.1.25", 50025))
    rows += ssl2_rows("10.20.1.26", 50026)
    return rows + http_connect_rows(("10.20.1.27", 50027))


def edges():
    rows = sip_rows(CLOUD, ("52.112.40.8", 51062), EDGE, [EDGE_NAME], "-no_tls1_3", "TLSv1", V12, "TLSv1.0",
                    direction="from-office365", verdict="breaks", cause="server-too-old")
    rows += sip_rows(OFFICE, (EDGE[0], 50005), SIPFED, [SIPFED_NAME], "-tls1_2", "TLSv1+", V12, "TLSv1.2")
    rows += sip_rows(CLOUD, ("52.112.40.9", 51063), EDGE2, [EDGE2_NAME], "-no_tls1_3", "TLSv1.2+", V12, "TLSv1.2",
                     direction="from-office365")
    return rows + sip_rows(OFFICE, (EDGE2[0], 50006), SIPFED, [SIPFED_NAME], "-tls1_2", "TLSv1+", V12, "TLSv1.2",
                           mine=EDGE2_NAME)


def mails():
    with servers.postfix(OFFICE, EXCHANGE[0], EXCHANGE_NAME, "<=TLSv1") as log:
        rows = mail(CLOUD, ("40.107.20.31", 51025), EXCHANGE, EXCHANGE_NAME, V12, log, direction="from-office365",
                    verdict="degrades", cause="server-too-old")
    with servers.postfix(CLOUD, PROTECTION[0], PROTECTION_NAME, ">=TLSv1") as log:
        rows += mail(OFFICE, (EXCHANGE[0], 50025), PROTECTION, PROTECTION_NAME, V10, log, verdict="degrades",
                     cause="client-too-old")
    with servers.postfix(CLOUD, SUBMISSION[0], SUBMISSION_NAME, ">=TLSv1", 587) as log:
        return rows + mail(OFFICE, ("192.168.7.90", 50587), SUBMISSION, SUBMISSION_NAME, V10, log, **TOO_OLD)
