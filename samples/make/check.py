"""A second opinion: what tshark reads in a capture, against what the ends said."""

import collections
import subprocess

TLS_VERSIONS = {"0x0002": "SSLv2", "0x0300": "SSLv3", "0x0301": "TLSv1.0", "0x0302": "TLSv1.1", "0x0303": "TLSv1.2",
                "0x0304": "TLSv1.3"}
ORDER = list(TLS_VERSIONS.values())
FIELDS = ["tcp.stream", "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "tls.handshake.type",
          "tls.handshake.version", "tls.handshake.extensions.supported_version", "tls.handshake.extensions_server_name",
          "ssl.handshake.version"]


def frames(path):
    done = subprocess.run(["capinfos", "-c", "-M", "-T", "-r", str(path)], capture_output=True, text=True, check=True)
    return int(done.stdout.split("\t")[-1])


def tshark(path):
    command = ["tshark", "-r", str(path), "-Y", "tls.handshake.type == 1 or tls.handshake.type == 2 or ssl.handshake.type == 1",
               "-T", "fields", "-E", "separator=|", "-E", "occurrence=a", "-d", "tcp.port==5061,tls"]
    for field in FIELDS[:-1]:
        command += ["-e", field]
    command[4] = "tls.handshake.type == 1 or tls.handshake.type == 2"
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [dict(zip(FIELDS, line.split("|"))) for line in done.stdout.splitlines()]


def by_time(path, rows):
    """The rows in the order of their connections' first frames."""
    command = ["tshark", "-r", str(path), "-Y", "tcp", "-T", "fields", "-E", "separator=|", "-E", "occurrence=l"]
    for field in ["ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport"]:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first = {}
    for number, line in enumerate(done.stdout.splitlines()):
        v4, v6, port, to_v4, to_v6, to_port = line.split("|")
        ends = (v4 or v6, port, to_v4 or to_v6, to_port)
        first.setdefault(ends, number)
        first.setdefault(ends[2:] + ends[:2], number)
    return sorted(rows, key=lambda row: first[
        (row.client_ip, str(row.client_port), row.server_ip, str(row.server_port))])


def known(values):
    return [TLS_VERSIONS[value] for value in values.split(",") if value in TLS_VERSIONS]


def compare(path, rows):
    """Fails unless tshark sees the same offers and selections; rows without either are not looked at."""
    streams = collections.OrderedDict()
    for frame in tshark(path):
        source = (frame["ip.src"].split(",")[-1] or frame["ipv6.src"], int(frame["tcp.srcport"]))
        target = (frame["ip.dst"].split(",")[-1] or frame["ipv6.dst"], int(frame["tcp.dstport"]))
        types = frame["tls.handshake.type"].split(",")
        hello = "1" in types
        ends = (source, target) if hello else (target, source)
        seen = streams.setdefault((frame["tcp.stream"], *ends), {})
        versions = known(frame["tls.handshake.extensions.supported_version"]) or known(frame["tls.handshake.version"])[:1]
        if hello:
            seen["offered"] = max(versions, key=ORDER.index)
            seen["name"] = frame["tls.handshake.extensions_server_name"].split(",")[0]
        else:
            seen["negotiated"] = versions[0]
    found = collections.defaultdict(list)
    for (_, client, server), seen in streams.items():
        found[(*client, *server)].append(seen)
    for row in rows:
        if not (row.offered_max or row.negotiated):
            continue
        seen = found[(row.client_ip, row.client_port, row.server_ip, row.server_port)].pop(0)
        expect = {"offered": row.offered_max, "negotiated": row.negotiated}
        told = {"offered": seen.get("offered", ""), "negotiated": seen.get("negotiated", "")}
        assert told == expect, f"{path}: tshark says {told}, the ends say {expect}: {row}"
        assert not seen.get("name") or seen["name"] == row.server_name, f"{path}: {seen} {row}"
