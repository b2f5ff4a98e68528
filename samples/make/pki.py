"""A throw-away certificate authority and the names it vouches for."""

import pathlib
import subprocess
import tempfile

HOME = pathlib.Path(tempfile.mkdtemp(prefix="tlsunset-pki-"))


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


def authority():
    path = HOME / "ca.pem"
    if not path.exists():
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj",
            "/CN=tlsunset samples throw-away CA", "-keyout", HOME / "ca.key", "-out", path)
    return path


def certificate(*names):
    """A key and certificate for the names (first one is the CN); returns (certificate, key)."""
    ca, stem = authority(), HOME / names[0].replace("*", "_")
    pem, key = stem.with_suffix(stem.suffix + ".pem"), stem.with_suffix(stem.suffix + ".key")
    if not pem.exists():
        request, extensions = HOME / "request.pem", HOME / "extensions.cnf"
        extensions.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n")
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={names[0]}", "-keyout", key,
            "-out", request)
        run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", HOME / "ca.key", "-CAcreateserial",
            "-days", "3650", "-extfile", extensions, "-out", pem)
        key.chmod(0o644)
    HOME.chmod(0o755)
    return pem, key


def settings(old=False):
    """An openssl.cnf that lets programs speak what their distribution forbids; `old` leaves out newer extensions."""
    path = HOME / ("old.cnf" if old else "openssl.cnf")
    path.write_text("openssl_conf = d\n[d]\nssl_conf = s\n[s]\nsystem_default = t\n[t]\n"
                    "MinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0\n"
                    + ("Options = -ExtendedMasterSecret,-EncryptThenMac\n" if old else ""))
    return path
