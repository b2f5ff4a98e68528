"""The isolated office: network namespaces, captures, and the time base.

Two namespaces are joined by a veth pair and nothing else, so the addresses of Office 365 can simply be
assigned to the far end. There is no route to the host or the outside. A Python thread enters a namespace
only to create a socket (a socket stays where it was born); other programs run under `ip netns exec`.
"""

import contextlib
import ctypes
import os
import pathlib
import signal
import struct
import subprocess
import threading
import time

OFFICE, CLOUD, TRANSIT = "tlsunset-office", "tlsunset-cloud", "tlsunset-transit"
LAN, WAN = "lan0", "wan0"
# 2026-11-23 08:00:00 UTC, a Monday morning: the first frame of every sample.
TIME_BASE_S = 1_795_420_800
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def sh(command, check=True, ns=None, **more):
    """Runs a command line (a string), inside a namespace when one is named."""
    if ns:
        command = f"ip netns exec {ns} {command}"
    return subprocess.run(command, shell=True, check=check, text=True, capture_output=True, **more)


@contextlib.contextmanager
def inside(ns):
    """Moves the calling thread into a namespace for the length of the block."""
    home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    try:
        if LIBC.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        yield
    finally:
        LIBC.setns(home, CLONE_NEWNET)
        os.close(home)
        os.close(there)


def quiet(ns, device):
    """No offloads (frames look as on a wire) and no router solicitations."""
    sh(f"ethtool -K {device} tx off rx off tso off gso off gro off", ns=ns, check=False)
    sh(f"sysctl -qw net.ipv6.conf.{device}.accept_ra=0 net.ipv6.conf.{device}.dad_transmits=0"
       f" net.ipv6.conf.{device}.addr_gen_mode=1", ns=ns, check=False)


def pair(a_ns, a_device, b_ns, b_device, number):
    sh(f"ip link add {a_device} netns {a_ns} type veth peer name {b_device} netns {b_ns}")
    for ns, device, side in ((a_ns, a_device, 1), (b_ns, b_device, 2)):
        sh(f"ip link set {device} address 02:00:5e:00:{number:02x}:{side:02x}", ns=ns)
        quiet(ns, device)
        sh(f"ip link set {device} up", ns=ns)


def add_address(ns, device, address):
    width = 128 if ":" in address else 32
    sh(f"ip addr add {address}/{width} dev {device}" + (" nodad" if width == 128 else ""), ns=ns, check=False)


class Net:
    """The namespaces of one case; `office` and `cloud` list the addresses of the two ends."""

    def __init__(self, office=(), cloud=(), links=1):
        self.remove()
        for ns in (OFFICE, CLOUD):
            sh(f"ip netns add {ns}")
            sh("ip link set lo up", ns=ns)
        for link in range(links):
            pair(OFFICE, f"lan{link}", CLOUD, f"wan{link}", link)
        for ns, device, addresses in ((OFFICE, LAN, office), (CLOUD, WAN, cloud)):
            for address in addresses:
                add_address(ns, device, address)
            sh(f"ip route add default dev {device}", ns=ns)
            sh(f"ip -6 route add default dev {device}", ns=ns)
        time.sleep(0.2)

    def move_link(self, address_office, address_cloud, link):
        """Another pair of addresses, on a link of their own."""
        add_address(OFFICE, f"lan{link}", address_office)
        add_address(CLOUD, f"wan{link}", address_cloud)
        sh(f"ip route add {address_cloud}/32 dev lan{link}", ns=OFFICE)
        sh(f"ip route add {address_office}/32 dev wan{link}", ns=CLOUD)

    @staticmethod
    def remove():
        for ns in (OFFICE, CLOUD, TRANSIT):
            sh(f"ip netns del {ns}", check=False)


@contextlib.contextmanager
def capture(path, ns=OFFICE, device=LAN, filter="tcp", extra=""):
    """tcpdump around a block; the file is rebased to TIME_BASE_S when the block ends."""
    command = f"ip netns exec {ns} tcpdump -Z root -i {device} -U --immediate-mode -s 0 {extra} -w {path} {filter}"
    with recorder(command.split(), path):
        yield


@contextlib.contextmanager
def recorder(command, path):
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in child.stderr:
        if "listening on" in line or "File: " in line:
            break
    time.sleep(0.2)
    try:
        yield
    finally:
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        child.communicate()
    rebase(pathlib.Path(path))


def rebase(path):
    """Shifts all time stamps so that the first frame is at TIME_BASE_S; nothing else changes."""
    data = bytearray(path.read_bytes())
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        rebase_pcapng(data)
    else:
        rebase_pcap(data)
    path.write_bytes(data)


def rebase_pcap(data):
    at, shift = 24, None
    while at + 16 <= len(data):
        seconds, _, held = struct.unpack_from("<III", data, at)
        shift = TIME_BASE_S - seconds if shift is None else shift
        struct.pack_into("<I", data, at, seconds + shift)
        at += 16 + held


def rebase_pcapng(data):
    """Enhanced packet blocks only, with the nanosecond clock that dumpcap uses."""
    at, shift = 0, None
    while at + 12 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 6:
            high, low = struct.unpack_from("<II", data, at + 12)
            ticks = high << 32 | low
            shift = TIME_BASE_S * 10**9 - ticks // 10**9 * 10**9 if shift is None else shift
            struct.pack_into("<II", data, at + 12, *divmod(ticks + shift, 1 << 32))
        elif kind == 5:  # interface statistics would keep the real time: drop the times, keep the block
            struct.pack_into("<II", data, at + 12, 0, 0)
        at += size
