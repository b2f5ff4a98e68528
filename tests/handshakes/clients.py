"""Random client configurations, really handshaken, against what tlsunset says of them.

Each configuration connects to a lenient server, through a relay that records the bytes, and to two
strict ones: Office 365's suites and groups with TLS 1.2 alone, and with TLS 1.3 beside it. The
recording becomes a capture of clients that talk to Exchange Online; the verdict of each has to be
`passes` exactly when a strict server let it in. Clients are OpenSSL's, and those of GnuTLS and NSS
where they are installed.

usage: clients.py TLSUNSET [COUNT [SEED]]
"""

import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import peers

VERSIONS = ["tls1", "tls1_1", "tls1_2", "tls1_3"]
SUITES = [
    # Office 365's.
    "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA384",
    "ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA", "ECDHE-RSA-AES128-SHA",
    "AES256-GCM-SHA384", "AES128-GCM-SHA256",
    # Others.
    "AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA256", "CAMELLIA128-SHA",
    "DHE-RSA-AES128-SHA", "DHE-RSA-AES256-GCM-SHA384", "DHE-RSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-SHA",
    "AES128-CCM", "AES256-CCM8", "DHE-RSA-AES128-CCM", "ECDHE-RSA-CAMELLIA128-SHA256",
    "ARIA128-GCM-SHA256", "ECDHE-ARIA256-GCM-SHA384", "DHE-RSA-CAMELLIA256-SHA", "SEED-SHA",
]
# OpenSSL's words for kinds of suites.
KINDS = ["ALL", "DEFAULT", "kRSA", "kDHE", "kECDHE", "kRSA:kDHE", "AESGCM", "AESCCM", "ARIA",
         "CAMELLIA", "CHACHA20", "SHA1", "SHA256", "SHA384", "aECDSA", "ALL:!kECDHE", "ALL:!kRSA",
         "ALL:!AES", "HIGH:!aRSA:aNULL", "eNULL:kDHE", "TLSv1.2:!AESGCM", "SSLv3", "kPSK:kRSA"]
SIGNATURES = ["RSA+SHA256", "RSA+SHA384", "RSA+SHA512", "RSA-PSS+SHA256", "ECDSA+SHA256",
              "ed25519", "RSA+SHA1"]
SETTINGS = ["-no_ticket", "-no_etm", "-legacy_renegotiation", "-status", "-ct", "-no_middlebox",
            "-prioritize_chacha", "-nextprotoneg http/1.1", "-alpn h2,http/1.1", "-bugs",
            "-maxfraglen 1024", "-no_comp", "-legacy_server_connect"]


def some(rng, list_, most):
    return rng.sample(list_, rng.randint(1, min(most, len(list_))))


def holes(rng):
    """Versions that are spoken: a range, with holes now and then."""
    lowest, highest = sorted(rng.choices(range(4), weights=[3, 2, 4, 3], k=2))
    return {v for v in range(lowest, highest + 1) if v in (lowest, highest) or rng.random() < 0.8}


def openssl_client(rng, _):
    spoken = holes(rng)
    options = [f"-no_{name}" for version, name in enumerate(VERSIONS) if version not in spoken]
    level = rng.choices([0, 1, 2, 3], weights=[8, 1, 1, 1])[0]
    suites = ":".join(some(rng, SUITES, 6)) if rng.random() < 0.6 else rng.choice(KINDS)
    options += ["-cipher", f"{suites}:@SECLEVEL={level}"]
    if rng.random() < 0.4:
        options += ["-ciphersuites", ":".join(some(rng, peers.SUITES13, 5))]
    if rng.random() < 0.6:
        options += ["-groups", ":".join(some(rng, peers.GROUPS_LENIENT, 4))]
    if rng.random() < 0.3:
        # What the server signs with is none of the question: it always can.
        signatures = dict.fromkeys([*some(rng, SIGNATURES, 3), "RSA+SHA256", "RSA-PSS+SHA256"])
        options += ["-sigalgs", ":".join(signatures)]
    for setting in SETTINGS:
        if rng.random() < 0.08:
            options += setting.split()
    if 3 not in spoken and rng.random() < 0.15:
        options += ["-psk", "1a2b3c"]
    if rng.random() < 0.5:
        options += ["-servername", "outlook.office365.com"]
    else:
        options.append("-noservername")
    return lambda port: ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-brief", *options]


GNUTLS_KX = ["RSA", "ECDHE-RSA", "DHE-RSA", "ECDHE-ECDSA"]
GNUTLS_CIPHERS = ["AES-128-GCM", "AES-256-GCM", "AES-128-CBC", "AES-256-CBC", "AES-128-CCM",
                  "AES-256-CCM-8", "CHACHA20-POLY1305", "CAMELLIA-128-CBC", "CAMELLIA-256-GCM",
                  "3DES-CBC", "ARCFOUR-128"]
GNUTLS_GROUPS = ["X25519", "SECP256R1", "SECP384R1", "SECP521R1", "X448", "FFDHE2048",
                 "FFDHE3072"]
GNUTLS_VERSIONS = ["TLS1.0", "TLS1.1", "TLS1.2", "TLS1.3"]


def gnutls_client(rng, _):
    spoken = [f"+VERS-{GNUTLS_VERSIONS[version]}" for version in sorted(holes(rng))]
    parts = ["NONE", *spoken, *(f"+{kx}" for kx in some(rng, GNUTLS_KX, 3)),
             *(f"+{cipher}" for cipher in some(rng, GNUTLS_CIPHERS, 5)),
             *(f"+GROUP-{group}" for group in some(rng, GNUTLS_GROUPS, 4)),
             "+MAC-ALL", "+SIGN-ALL", "+COMP-NULL"]
    if rng.random() < 0.2:
        parts.append("%NO_EXTENSIONS" if "+VERS-TLS1.3" not in spoken else "%NO_TICKETS")
    priority = ":".join(parts)
    return lambda port: ["gnutls-cli", "--insecure", "--no-ca-verification", "-p", str(port),
                         "--priority", priority, "127.0.0.1"]


# NSS by the letters and numbers of tstclnt.
NSS_SUITES = [f":{number:04X}" for number in (
    0xC02F, 0xC030, 0xC02B, 0xC013, 0xC014, 0xC027, 0xC028, 0xCCA8, 0x009C, 0x009D, 0x002F, 0x0035,
    0x003C, 0x000A, 0x0033, 0x009E, 0x1301, 0x1302, 0x1303)]
NSS_GROUPS = ["P256", "P384", "P521", "x25519", "FF2048", "FF3072"]
NSS_VERSIONS = ["tls1.0", "tls1.1", "tls1.2", "tls1.3"]


def nss_client(rng, folder):
    spoken = sorted(holes(rng))
    versions = f"{NSS_VERSIONS[spoken[0]]}:{NSS_VERSIONS[spoken[-1]]}"
    options = ["-V", versions, "-I", ",".join(some(rng, NSS_GROUPS, 4))]
    if rng.random() < 0.8:
        options += ["-c", "".join(some(rng, NSS_SUITES, 8))]
    return lambda port: ["tstclnt", "-h", "127.0.0.1", "-p", str(port), "-d", f"sql:{folder}", "-o",
                         "-Q", *options]


def established(command):
    """Whether a client gets through a handshake; None for one that hangs, as tstclnt does at times."""
    is_nss = command[0] == "tstclnt"
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             errors="replace", timeout=2 if is_nss else 20, check=False)
    except subprocess.TimeoutExpired:
        return None
    said = run.stderr + run.stdout
    match Path(command[0]).name:
        case "openssl":
            return run.returncode == 0 and "CONNECTION ESTABLISHED" in said
        case "gnutls-cli":
            return "- Handshake was completed" in said
        case _:
            return run.returncode == 0


def let_in(client, port):
    """Whether a server lets a client in; None when that can't be found out."""
    answers = (established(client(port)) for _ in range(4))
    return next((answer for answer in answers if answer is not None), None)


def makers():
    """What makes clients, those of OpenSSL the most often."""
    known = [(openssl_client, 6)]
    if shutil.which("gnutls-cli"):
        known.append((gnutls_client, 3))
    if shutil.which("tstclnt") and shutil.which("certutil"):
        known.append((nss_client, 1))
    return known


def main():
    binary = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    policy = peers.policy_of(binary, "office365-tls12")
    with tempfile.TemporaryDirectory() as name, peers.Servers() as servers:
        folder = Path(name)
        pki = peers.Pki(folder)
        if shutil.which("certutil"):
            subprocess.run(["certutil", "-N", "-d", f"sql:{folder}", "--empty-password"],
                           check=True, capture_output=True)
        lenient = servers.start(*pki.both(), "-no_ssl3", "-cipher", "ALL:@SECLEVEL=0",
                                "-ciphersuites", ":".join(peers.SUITES13), "-groups",
                                ":".join(peers.GROUPS_LENIENT))
        only12, only13 = peers.policy_options(policy)
        both = ["-no_tls1", "-no_tls1_1", *only12[1:], *only13[1:]]
        strict = [servers.start(*pki.rsa(), *options) for options in (only12, both)]
        wrong, compared = compare(binary, folder, rng, count, lenient, strict)
    peers.report("configurations", compared, count * 3 // 4, wrong)


def compare(binary, folder, rng, count, lenient, strict):
    capture = peers.Capture(folder / "clients.pcap")
    truths, kinds = {}, makers()
    functions, weights = zip(*kinds)
    for number in range(count * 2):
        if len(truths) == count:
            break
        client = rng.choices(functions, weights)[0](rng, folder)
        _, chunks = peers.record(lenient, lambda port: established(client(port)))
        # Without a usable suite a client sends an alert in place of a hello, or nothing.
        if not peers.begins_with_hello(chunks):
            continue
        answers = [let_in(client, port) for port in strict]
        if None in answers:
            continue
        address = peers.inside(number)
        capture.connection((address, 50000), (bytes([40, 97, 1, 1]), 443), chunks)
        truths[peers.dotted(address)] = (client(0), *answers, peers.is_refused(chunks))
    rows = capture.rows(binary)
    wrong = []
    for address, (client, in12, in13, refused) in truths.items():
        row = rows.get((address, "50000", "office365-tls12"))
        if row is None:
            wrong.append(f"{address} has no row: {client}")
            continue
        # Who offers 1.3 with nothing in it that is shared, and 1.2 beside it, passes with a
        # warning, for servers that speak 1.3 refuse it. The lenient one may be such a server.
        warned = in12 and not in13
        if in12 or in13:
            expect = "unknown" if refused else "passes"
        else:
            expect = "fails-today" if refused else "breaks"
        if "has no supported_groups" in row["reason"]:
            # Only ECDHE is shared and the hello leaves the group to the server: never decided.
            expect = "unknown"
        if row["verdict"] != expect or ("warning:" in row["reason"]) != warned:
            wrong.append(f"{address} {client}: {row['verdict']} ({row['reason']}), "
                         f"really TLS 1.2: {in12}, TLS 1.3: {in13}, refused today: {refused}")
    return wrong, len(truths)


if __name__ == "__main__":
    main()
