"""Random ClientHellos, made byte by byte, sent to servers that enforce the built-in policies.

What no TLS library would send is among them: holes between versions, hellos of the SSL 2.0 format,
no extensions, suites and groups of all kinds in any order, placeholders. A hello has a way through
a policy exactly when an OpenSSL server with the policy's settings answers it with a ServerHello or
a HelloRetryRequest. Policies that only other software can enforce (ML-KEM) are left out.

usage: hellos.py TLSUNSET [COUNT [SEED]]
"""

import random
import socket
import struct
import sys
import tempfile
from pathlib import Path

import peers

POLICIES = {
    # The built-in policies with a server in their scope.
    "office365-tls12": ((40, 97, 1, 1), 443),
    "office365-gcc-high": ((20, 35, 208, 5), 443),
    "azure-front-door": ((13, 107, 246, 10), 443),
    "exchange-online-pop-imap-2026": ((40, 97, 1, 1), 993),
    "pci-dss-4": ((192, 0, 2, 1), 443),
    "nist-800-52r2": ((192, 0, 2, 1), 443),
    "tls13-only": ((192, 0, 2, 1), 443),
}
SUITES = [
    0xC030, 0xC02F, 0xC028, 0xC027, 0xC014, 0xC013, 0x009D, 0x009C,  # Office 365
    0x0035, 0x002F, 0x003D, 0x003C, 0x000A, 0x0005, 0x0004, 0x0041, 0x0096,
    0x0033, 0x0039, 0x009E, 0x009F, 0x0067, 0x006B, 0xCCAA, 0xC09E, 0xC0A2,
    0xC02B, 0xC02C, 0xC023, 0xC024, 0xC009, 0xC00A, 0xC0AC, 0xC0AE, 0xCCA9, 0xCCA8,
    0xC09C, 0xC0A0, 0xC050, 0xC060, 0xC076, 0x0018, 0x0034, 0x003B, 0x0002, 0x008C, 0x00AE,
    0xC004, 0xC031, 0x0032, 0x00A2, 0xCC13, 0xD001,
]
SUITES13 = [0x1301, 0x1302, 0x1303, 0x1304, 0x1305]
GROUPS = [29, 23, 24, 25, 30, 256, 257, 258, 26, 22, 14, 1, 0x6399]
GREASE = [0x0A0A, 0x3A3A, 0xFAFA]
# Every algorithm by which a server of either certificate may sign.
SIGNATURES = [0x0807, 0x0403, 0x0804, 0x0401, 0x0805, 0x0806, 0x0501, 0x0601, 0x0201, 0x0203]
VERSIONS = [0x0300, 0x0301, 0x0302, 0x0303, 0x0304]


def vector(width, body):
    return len(body).to_bytes(width, "big") + body


def numbers(list_):
    return b"".join(struct.pack("!H", number) for number in list_)


def extension(number, body):
    return struct.pack("!H", number) + vector(2, body)


def some(rng, list_, most):
    return rng.sample(list_, rng.randint(1, most))


def hello(rng):
    """The bytes of a ClientHello."""
    kind = rng.random()
    if kind < 0.08:
        return ssl2_hello(rng)
    listed = sorted(rng.sample(VERSIONS, rng.randint(1, 4)), reverse=True) if kind < 0.6 else None
    legacy = 0x0303 if listed else rng.choice([0x0300, 0x0301, 0x0302, 0x0303, 0x0303, 0x0303])
    suites = some(rng, SUITES, rng.choice([2, 5, 20]))
    if (listed and 0x0304 in listed) if rng.random() < 0.9 else rng.random() < 0.3:
        suites += some(rng, SUITES13, 4)
    groups = some(rng, GROUPS, rng.choice([1, 3, 6])) if rng.random() < 0.85 else None
    rng.shuffle(suites)
    if is_greased := rng.random() < 0.3:
        suites.insert(0, rng.choice(GREASE))
        listed = listed and [rng.choice(GREASE), *listed]
        groups = groups and [rng.choice(GREASE), *groups]
    if rng.random() < 0.5:
        suites.append(0x00FF)
    extensions = []
    if listed:
        extensions.append(extension(43, vector(1, numbers(listed))))
        # No shares: a server of TLS 1.3 asks for one with a HelloRetryRequest.
        extensions.append(extension(51, vector(2, b"")))
        extensions.append(extension(45, b"\x01\x01"))
    if groups:
        extensions.append(extension(10, vector(2, numbers(groups))))
        extensions.append(extension(11, b"\x01\x00"))
    if legacy == 0x0303:
        extensions.append(extension(13, vector(2, numbers(SIGNATURES))))
    if is_greased:
        extensions.append(extension(rng.choice(GREASE), b""))
    for number, body in ((23, b""), (35, b""), (22, b""), (0xFF01, b"\0"), (5, b"\x01\0\0\0\0")):
        if rng.random() < 0.3:
            extensions.append(extension(number, body))
    rng.shuffle(extensions)
    body = struct.pack("!H", legacy) + rng.randbytes(32) + vector(1, rng.randbytes(32))
    body += vector(2, numbers(suites)) + b"\x01\x00"
    if extensions:
        body += vector(2, b"".join(extensions))
    message = b"\x01" + vector(3, body)
    return b"\x16\x03\x01" + vector(2, message)


def ssl2_hello(rng):
    """A hello of the SSL 2.0 format (RFC 5246 appendix E.2), up to TLS 1.2."""
    version = rng.choice([0x0300, 0x0301, 0x0302, 0x0303])
    specs = b"".join(b"\0" + numbers([suite]) for suite in some(rng, SUITES, 12))
    specs += rng.choice([b"", b"\x01\0\x80\x07\0\xc0", b"\0\0\xff"])
    body = b"\x01" + struct.pack("!HHHH", version, len(specs), 0, 32) + specs + rng.randbytes(32)
    return struct.pack("!H", 0x8000 | len(body)) + body


def answer(port, sent):
    """What a server says to a hello, up to the end of its first record."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(sent)
        said = b""
        try:
            while len(said) < 5 or len(said) < 5 + int.from_bytes(said[3:5], "big"):
                data = sock.recv(65536)
                if not data:
                    break
                said += data
        except ConnectionResetError:
            pass
        return said


def is_let_in(said):
    """Whether an answer is a ServerHello or a HelloRetryRequest."""
    return said[:1] == b"\x16" and said[5:6] == b"\x02"


def main():
    binary = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    with tempfile.TemporaryDirectory() as name, peers.Servers() as servers:
        folder = Path(name)
        pki = peers.Pki(folder)
        lenient = servers.start(*pki.both("ed"), "-no_ssl3", "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0",
                                "-ciphersuites", ":".join(peers.SUITES13), "-groups",
                                ":".join(peers.GROUPS_LENIENT))
        strict = {}
        for policy in POLICIES:
            settings = peers.policy_options(peers.policy_of(binary, policy))
            strict[policy] = [options and servers.start(*pki.both("ed"), *options)
                              for options in settings]
        hellos = [hello(rng) for _ in range(count)]
        today = [answer(lenient, sent) for sent in hellos]
        wrong, compared = [], 0
        for policy, ports in strict.items():
            truth = [[port and is_let_in(answer(port, sent)) for port in ports] for sent in hellos]
            rows = judged(binary, folder, policy, hellos, today)
            compared += len(rows)
            wrong += compare(policy, hellos, today, truth, rows)
    peers.report("hellos", compared, count * len(POLICIES), wrong)


def judged(binary, folder, policy, hellos, today):
    """The rows of a capture of the hellos, to a server that the policy is about."""
    capture = peers.Capture(folder / f"{policy}.pcap")
    address, port = POLICIES[policy]
    for number, (sent, said) in enumerate(zip(hellos, today)):
        chunks = [(True, sent), (False, said)] if said else [(True, sent)]
        # Who only says hello goes away after the answer, which is no part of the question.
        ends = (peers.inside(number), 50000), (bytes(address), port)
        capture.connection(*ends, chunks, is_closed=not is_let_in(said))
    rows = capture.rows(binary, "--policy", policy)
    return {number: rows[peers.dotted(peers.inside(number)), "50000", policy]
            for number in range(len(hellos))}


def compare(policy, hellos, today, truth, rows):
    for number, row in rows.items():
        in12, in13 = truth[number]
        said = today[number]
        is_answered = is_let_in(said) and said[11:43] != HELLO_RETRY
        if in12 or in13:
            # An answer below the minimum to a good offer is nobody's who enforces the policy.
            expect = {"passes", "at-risk"} if is_answered else {"unknown", "passes"}
        else:
            expect = {"fails-today"} if not is_let_in(said) else {"breaks"}
        if "has no supported_groups" in row["reason"]:
            expect = {"unknown"}
        if row["verdict"] not in expect:
            yield (f"{policy}: {hellos[number].hex()}: {row['verdict']} ({row['reason']}), really "
                   f"TLS 1.2: {in12}, TLS 1.3: {in13}, today: {said[:16].hex()}")


HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


if __name__ == "__main__":
    main()
