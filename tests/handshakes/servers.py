"""Random servers that Office 365 dials, against what tlsunset says of them.

Each server is an `openssl s_server` with settings of its own. It is dialled by a client as Office 365
was before the change, which is recorded, and by one as it is after. Where the verdict is `passes`, the
second gets in; where it is `breaks`, `fails-today` or `degrades`, it does not.

usage: servers.py TLSUNSET [COUNT [SEED]]
"""

import random
import sys
import tempfile
from pathlib import Path

import clients
import peers

OLD_SUITES = ["AES256-SHA", "AES128-SHA", "AES256-SHA256", "AES128-SHA256"]
PORTS = [5061, 443, 25]


def random_server(rng, pki):
    spoken = clients.holes(rng)
    options = [f"-no_{name}" for version, name in enumerate(clients.VERSIONS)
               if version not in spoken]
    options += pki.both() if rng.random() < 0.2 else pki.rsa()
    level = rng.choices([0, 1, 2], weights=[6, 1, 1])[0]
    is_listed = rng.random() < 0.6
    suites = ":".join(clients.some(rng, clients.SUITES, 8)) if is_listed else rng.choice(
        clients.KINDS)
    options += ["-cipher", f"{suites}:@SECLEVEL={level}"]
    if rng.random() < 0.4:
        options += ["-ciphersuites", ":".join(clients.some(rng, peers.SUITES13, 5))]
    if rng.random() < 0.5:
        options += ["-groups", ":".join(clients.some(rng, peers.GROUPS_LENIENT, 4))]
    for setting in ("-serverpref", "-no_ticket", "-no_etm", "-verify 1", "-no_dhe"):
        if rng.random() < 0.15:
            options += setting.split()
    return options


def main():
    binary = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    only12, only13 = peers.policy_options(peers.policy_of(binary, "office365-tls12"))
    suites = only12[only12.index("-cipher") + 1]
    groups = only12[only12.index("-groups") + 1]
    common = ["-groups", groups, *only13[1:3], "-noservername"]
    today = ["-cipher", ":".join([*suites.split(":")[:-1], *OLD_SUITES, "@SECLEVEL=0"]), *common]
    after = ["-no_tls1", "-no_tls1_1", "-cipher", suites, *common]
    truths = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pki = peers.Pki(folder)
        capture = peers.Capture(folder / "servers.pcap")
        for number in range(count * 2):
            if len(truths) == count:
                break
            options = random_server(rng, pki)
            server = peers.Server(*options)
            try:
                if not server.wait():
                    continue
                # Not all of Office 365 speaks TLS 1.3.
                newest = ["-no_tls1_3"] if rng.random() < 0.5 else []
                _, chunks = peers.record(server.port, lambda port: clients.established(
                    s_client(port, today + newest)))
                is_in = clients.established(s_client(server.port, after + newest))
            finally:
                server.stop()
            if not peers.begins_with_hello(chunks):
                continue
            port = rng.choice(PORTS)
            ends = (bytes([52, 112, 1, 1]), 50000 + number % 10000), (peers.inside(number), port)
            capture.connection(*ends, chunks)
            truths[peers.dotted(ends[1][0])] = (options, port, is_in)
        wrong = compare(capture.rows(binary), truths)
    peers.report("servers", len(truths), count * 3 // 4, wrong)


def s_client(port, options):
    return ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-brief", *options]


def compare(rows, truths):
    wrong, decided = [], 0
    rows = {row["server_ip"]: row for row in rows.values()}
    for address, (options, port, is_in) in truths.items():
        row = rows.get(address)
        if row is None:
            wrong.append(f"{address} has no row: {options}")
            continue
        verdict = row["verdict"]
        behind = {"degrades"} if port == 25 else {"breaks", "fails-today"}
        allowed = {"passes", "unknown"} if is_in else {"unknown", *behind}
        decided += verdict != "unknown"
        if verdict not in allowed or row["direction"] != "from-office365":
            settings = " ".join(map(str, options))
            wrong.append(f"{address}:{port} {settings}: {verdict} ({row['reason']}), "
                         f"really let in: {is_in}")
    if decided < len(truths) // 2:
        wrong.append(f"only {decided} of {len(truths)} servers were decided")
    return wrong


if __name__ == "__main__":
    main()
