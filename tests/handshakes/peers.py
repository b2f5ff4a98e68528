"""What the handshake tests share: OpenSSL servers, policies as their settings, and captures."""

import csv
import io
import socket
import struct
import subprocess
import threading
import time
import tomllib

SUITES13 = [
    "TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256",
]
# Groups that OpenSSL 3.0 knows, by their IANA names.
GROUPS = {
    "x25519": "X25519", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521",
    "x448": "X448", "ffdhe2048": "ffdhe2048", "ffdhe3072": "ffdhe3072",
    "ffdhe4096": "ffdhe4096", "ffdhe6144": "ffdhe6144", "ffdhe8192": "ffdhe8192",
}
GROUPS_LENIENT = [*GROUPS.values(), "brainpoolP256r1", "brainpoolP384r1", "secp256k1"]


class Pki:
    """Keys of RSA, P-256 and Ed25519, with certificates that sign themselves."""

    def __init__(self, folder):
        self.folder = folder
        for name, key in (("rsa", ["rsa:2048"]), ("ed", ["ed25519"]),
                          ("ec", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "2",
                 "-subj", "/CN=outlook.office365.com", "-keyout", folder / f"{name}-key.pem",
                 "-out", folder / f"{name}.pem"],
                check=True, capture_output=True,
            )

    def rsa(self):
        return ["-cert", self.folder / "rsa.pem", "-key", self.folder / "rsa-key.pem"]

    def both(self, second="ec"):
        """RSA and another; a key on P-256 needs that group in the offer, one of Ed25519 none."""
        paths = self.folder / f"{second}.pem", self.folder / f"{second}-key.pem"
        return [*self.rsa(), "-dcert", paths[0], "-dkey", paths[1]]


def openssl_names():
    """OpenSSL's names of suites below TLS 1.3, by their IANA names."""
    shown = subprocess.run(
        ["openssl", "ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
        check=True, capture_output=True, text=True,
    ).stdout
    fields = (line.split() for line in shown.splitlines())
    return {words[0]: words[2] for words in fields if not words[2].startswith("TLS_")}


def policy_of(binary, name):
    """A policy as `policy show` prints it."""
    shown = subprocess.run([binary, "policy", "show", name], check=True, capture_output=True,
                           text=True)
    return tomllib.loads(shown.stdout)


def policy_options(policy):
    """Options of servers that enforce a policy: with TLS 1.2 alone, and with 1.3 alone.

    None where the policy does not speak that version, or OpenSSL knows nothing of what it accepts.
    """
    known, options = openssl_names(), []
    for key, only in (("tls12", "-tls1_2"), ("tls13", "-tls1_3")):
        table = policy.get(key, {})
        default = SUITES13 if key == "tls13" else list(known)
        names = table.get("suites", default)
        groups = table.get("groups", list(GROUPS))
        groups = ":".join(GROUPS[group] for group in groups if group in GROUPS)
        if key == "tls12":
            suites = ":".join(known[name] for name in names if name in known)
            suites = ["-cipher", suites + ":@SECLEVEL=0"] if suites else None
        else:
            suites = ":".join(name for name in names if name in SUITES13)
            suites = ["-ciphersuites", suites] if suites else None
        is_below = key == "tls12" and policy["minimum"] == "TLSv1.3"
        spoken = suites and groups and not is_below
        options.append([only, *suites, "-groups", groups] if spoken else None)
    return options


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """An `openssl s_server` of its own."""

    def __init__(self, *options):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-quiet", *options],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def wait(self):
        """Until it listens; whether it ever did."""
        for _ in range(400):
            if self.process.poll() is not None:
                return False
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            except OSError:
                time.sleep(0.02)
        return False

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


class Servers:
    """Servers that end with the test."""

    def __init__(self):
        self.all = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.all:
            server.stop()

    def start(self, *options):
        server = Server(*options)
        self.all.append(server)
        if not server.wait():
            raise SystemExit(f"a server with {options} did not start")
        return server.port


def record(target, run):
    """Runs a client against a server and returns how it went and the chunks, (from_client, bytes)."""
    chunks, lock, over = [], threading.Lock(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def serve():
        while True:
            try:
                client, _ = listener.accept()
                break
            except TimeoutError:
                # A client that can't make a hello of its configuration never comes.
                if over.is_set():
                    return
        client.settimeout(10)
        try:
            server = socket.create_connection(("127.0.0.1", target), timeout=10)
        except ConnectionRefusedError:
            client.close()
            return

        def pump(source, sink, from_client):
            try:
                while data := source.recv(65536):
                    with lock:
                        chunks.append((from_client, data))
                    sink.sendall(data)
            except OSError:
                pass
            try:
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        back = threading.Thread(target=pump, args=(server, client, False))
        back.start()
        pump(client, server, True)
        back.join()
        client.close()
        server.close()

    thread = threading.Thread(target=serve)
    thread.start()
    established = run(listener.getsockname()[1])
    over.set()
    thread.join()
    listener.close()
    return established, chunks


def begins_with_hello(chunks):
    """Whether the client's first bytes are a hello; an alert comes from a client without one."""
    return bool(chunks) and chunks[0][0] and chunks[0][1][:1] in (b"\x16", b"\x80")


def is_refused(chunks):
    """Whether the server answered with an alert, or not at all."""
    answer = b"".join(data for from_client, data in chunks if not from_client)
    return answer[:1] != b"\x16"


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Capture:
    """A pcap file of connections."""

    def __init__(self, path):
        self.path = path
        self.out = path.open("wb")
        self.out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        self.time = 1_600_000_000.0

    def frame(self, source, target, seq, ack, flags, data=b""):
        self.time += 0.001
        tcp = struct.pack("!HHIIBBHHH", source[1], target[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                          5 << 4, flags, 65535, 0, 0)
        source, target = source[0], target[0]
        pseudo = source + target + struct.pack("!BBH", 0, 6, len(tcp) + len(data))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp + data)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp) + len(data), 0, 0, 64, 6, 0,
                         source, target)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        frame = bytes(12) + b"\x08\x00" + ip + tcp + data
        seconds = int(self.time)
        micros = int((self.time - seconds) * 1_000_000)
        self.out.write(struct.pack("<IIII", seconds, micros, len(frame), len(frame)) + frame)

    def connection(self, client, server, chunks, is_closed=True):
        """A connection between two ends, (address, port)."""
        ends = {True: (client, server), False: (server, client)}
        seq = {True: 1000, False: 9000}

        def send(from_client, flags, data=b""):
            self.frame(*ends[from_client], seq[from_client], seq[not from_client], flags, data)
            seq[from_client] += len(data) + (1 if flags & 3 else 0)

        send(True, 0x02)
        send(False, 0x12)
        send(True, 0x10)
        for from_client, data in chunks:
            for start in range(0, len(data), 1400):
                send(from_client, 0x18, data[start:start + 1400])
        if is_closed:
            send(False, 0x11)
            send(True, 0x11)

    def rows(self, binary, *options):
        """The rows of flows.csv, by the client's address and port and the policy."""
        self.out.close()
        output = subprocess.run(
            [binary, "analyze", self.path, "--flows", "-", "-q", *options],
            check=True, capture_output=True, text=True,
        ).stdout
        rows = csv.DictReader(io.StringIO(output))
        return {(row["client_ip"], row["client_port"], row["policy"]): row for row in rows}


def inside(number):
    """The address of a host of its own."""
    return bytes([10, 1 + (number >> 16), (number >> 8) & 255, number & 255])


def dotted(address):
    return ".".join(map(str, address))


def report(what, compared, wanted, wrong):
    """Says how it went; ends the program when anything is wrong or too little was compared."""
    print(f"{compared} {what} compared, {len(wrong)} verdicts wrong")
    for line in wrong[:20]:
        print(line)
    if wrong or compared < wanted:
        raise SystemExit(1)
