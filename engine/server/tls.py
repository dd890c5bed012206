"""TLS of the server: its certificate, the oldest version, and what is agreed on with clients that speak several protocols."""

import ssl
from pathlib import Path

from engine.errors import EngineError

PROTOCOLS = ["http/1.1", "h2"]
"""In this order: who speaks both gets HTTP/1.1, and gRPC, which offers ``h2`` only, gets that."""

VERSIONS = {"tls-1.2": ssl.TLSVersion.TLSv1_2, "tls-1.3": ssl.TLSVersion.TLSv1_3}


_FOREIGN_KEY = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")  # of the same kind, or another


class TlsUnusable(EngineError):
    """Key and certificate cannot be used; the text says why."""


def tls_context(key: Path | None, cert: Path | None, minimum_version: str) -> ssl.SSLContext | None:
    """Return what connections are encrypted with, ``None`` if there is neither key nor certificate.

    Raises:
        TlsUnusable: there is only one of them, or they cannot be read, or do not belong together.
    """
    if key is None and cert is None:
        return None
    if key is None or cert is None:
        raise TlsUnusable("tls requires both a cert and a key file to be passed in to work")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[minimum_version]
    context.set_alpn_protocols(PROTOCOLS)
    for path in (key, cert):
        _check_readable(path)
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise TlsUnusable(f"--tls-cert {cert} with --tls-key {key}: {_reason(error)}") from error
    return context


def _check_readable(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise TlsUnusable(f"{path}: {error.strerror}") from error


def _no_password() -> str:
    """Stand in for the question that OpenSSL would ask at the terminal."""
    raise ValueError("the key is protected by a password; give one that is not")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason in _FOREIGN_KEY:
            return "the key is not that of the certificate"
        return f"not a PEM file with a certificate and one with its key ({error.reason or error})"
    return str(error)
