"""Programs that run for the length of a block: kamailio, postfix, prosody, tinyproxy. Each one's log is its word."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pki

KAMAILIO = """
debug=0
log_stderror=yes
fork=no
disable_tcp=no
enable_tls=yes
listen=tls:{address}:5061
loadmodule "tls.so"
loadmodule "sl.so"
loadmodule "xlog.so"
loadmodule "pv.so"
modparam("tls", "tls_method", "{method}")
modparam("tls", "certificate", "{pem}")
modparam("tls", "private_key", "{key}")
modparam("tls", "ca_list", "{ca}")
modparam("tls", "require_certificate", 1)
modparam("tls", "cipher_list", "ALL:@SECLEVEL=0")
request_route {{
    xlog("L_ALERT", "said $tls_version port $sp\\n");
    sl_send_reply("200", "OK");
}}
"""
POSTFIX = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = /dev/stdout
inet_interfaces = {address}
inet_protocols = ipv4
myhostname = {name}
mydestination =
local_recipient_maps =
alias_maps =
relay_domains = contoso.com, contoso.example
transport_maps =
relay_transport = discard:
smtpd_relay_restrictions = reject_unauth_destination
smtpd_tls_cert_file = {pem}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_tls_protocols = {protocols}
smtpd_tls_ciphers = low
smtpd_tls_exclude_ciphers =
smtpd_tls_eecdh_grade = strong
tls_low_cipherlist = ALL:@SECLEVEL=0
smtpd_tls_loglevel = 1
smtp_dns_support_level = disabled
"""
POSTFIX_MASTER = """
{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
discard unix - - n - - discard
"""
PROSODY = """
run_as_root = true
daemonize = false
pidfile = "{home}/prosody.pid"
data_path = "{home}"
log = {{ info = "*console" }}
modules_enabled = {{ "tls", "saslauth", "dialback", "disco" }}
modules_disabled = {{ "offline" }}
interfaces = {{ "{address}" }}
c2s_require_encryption = true
s2s_require_encryption = true
authentication = "internal_hashed"
ssl = {{ protocol = "{protocol}"; ciphers = "ALL:@SECLEVEL=0"; certificate = "{pem}"; key = "{key}"; }}
VirtualHost "{name}"
"""
TINYPROXY = """
Port 8080
Listen {address}
Timeout 30
ConnectPort 443
Allow 10.0.0.0/8
LogLevel Info
"""


@contextlib.contextmanager
def running(ns, command, log, ready, stop=signal.SIGTERM):
    """Yields a function that returns the log so far; waits until `ready` appears in it."""
    with log.open("w") as out:
        child = subprocess.Popen(["ip", "netns", "exec", ns, *map(str, command)], stdout=out, stderr=subprocess.STDOUT,
                                 env={**os.environ, "OPENSSL_CONF": str(pki.settings())}, start_new_session=True)
    for _ in range(100):
        if ready in log.read_text():
            break
        time.sleep(0.1)
    else:
        raise RuntimeError(f"{command[0]} did not start: {log.read_text()}")
    time.sleep(0.3)
    try:
        yield log.read_text
    finally:
        child.send_signal(stop)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


@contextlib.contextmanager
def home():
    path = pathlib.Path(tempfile.mkdtemp(prefix="tlsunset-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def kamailio(ns, address, names, method):
    """A SIP server over mutual TLS that answers 200 and writes down what it negotiated."""
    pem, key = pki.certificate(*names)
    with home() as path:
        config = path / "kamailio.cfg"
        config.write_text(KAMAILIO.format(address=address, method=method, pem=pem, key=key, ca=pki.authority()))
        command = ["kamailio", "-f", config, "-w", path, "-Y", path, "-DD", "-E"]
        with running(ns, command, path / "log", "Listening on") as log:
            yield log


@contextlib.contextmanager
def postfix(ns, address, name, protocols, port=25):
    pem, key = pki.certificate(name)
    with home() as path:
        (path / "queue").mkdir()
        (path / "data").mkdir()
        shutil.chown(path / "data", "postfix")
        (path / "main.cf").write_text(POSTFIX.format(home=path, address=address, name=name, pem=pem, key=key,
                                                     protocols=protocols))
        (path / "master.cf").write_text(POSTFIX_MASTER.format(port=port))
        with running(ns, ["postfix", "-c", path, "start-fg"], path / "log", "daemon started") as log:
            try:
                yield log
            finally:
                # The master leaves the process group that it was started in.
                os.kill(int((path / "queue/pid/master.pid").read_text()), signal.SIGTERM)


@contextlib.contextmanager
def prosody(ns, address, name, protocol):
    pem, key = pki.certificate(name)
    with home() as path:
        config = path / "prosody.cfg.lua"
        config.write_text(PROSODY.format(home=path, address=address, name=name, pem=pem, key=key, protocol=protocol))
        with running(ns, ["prosody", "--config", config, "-F"], path / "log", "Activated service 's2s'") as log:
            yield log


@contextlib.contextmanager
def tinyproxy(ns, address):
    with home() as path:
        config = path / "tinyproxy.conf"
        config.write_text(TINYPROXY.format(address=address))
        with running(ns, ["tinyproxy", "-d", "-c", config], path / "log", "Starting main loop") as log:
            yield log
