"""Two ends made with tlslite-ng, for what OpenSSL will not do."""

import threading

import pki
from net import CLOUD, OFFICE
from peers import Talk, dial, listen, serve_one, web
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import CipherSuite


def capped_client(source, target, name, server_ctx):
    """A client that says TLS 1.0 and still lists the suites of TLS 1.2."""
    done = Talk()
    listener = listen(CLOUD, *target)
    thread = threading.Thread(target=serve_one, args=(listener, server_ctx, web(name)[1], done))
    thread.start()
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 1)
    settings.useEncryptThenMAC = settings.useExtendedMasterSecret = False
    filtered, everything = CipherSuite._filterSuites, HandshakeSettings()
    CipherSuite._filterSuites = staticmethod(lambda suites, settings, version=None: filtered(suites, everything, (3, 3)))
    try:
        tls = TLSConnection(dial(OFFICE, source, target))
        tls.handshakeClientCert(settings=settings, serverName=name)
    finally:
        CipherSuite._filterSuites = filtered
    done.client_said = {(3, 1): "TLSv1.0"}[tls.version]
    tls.write(web(name)[0])
    tls.read(max=100)
    tls.close()
    thread.join()
    listener.close()
    return done


def stubborn_server(target, name, source, client_ctx):
    """A server that answers every hello with TLS 1.0; returns (what it chose, the client's complaint)."""
    pem, key = pki.certificate(name)
    chain = X509CertChain()
    chain.parsePemList(pem.read_text())
    private = parsePEMKey(key.read_text(), private=True)
    listener = listen(CLOUD, *target)

    def serve():
        raw, _ = listener.accept()
        settings = HandshakeSettings()
        settings.minVersion = settings.maxVersion = (3, 1)
        try:
            TLSConnection(raw).handshakeServer(certChain=chain, privateKey=private, settings=settings)
        except Exception:  # the client is meant to hang up, and tlslite-ng has many ways to say so
            raw.close()

    thread = threading.Thread(target=serve)
    thread.start()
    complaint = ""
    raw = dial(OFFICE, source, target)
    try:
        client_ctx.check_hostname = False
        client_ctx.wrap_socket(raw, server_hostname=name)
    except OSError as error:
        complaint = str(error)
        raw.close()
    thread.join()
    listener.close()
    return "TLSv1.0", complaint
