"""Certificates for tests, made when they are needed."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """Files of a server's certificate, its key, and the authority that signed it."""

    key: Path
    cert: Path
    ca: Path


def certificates(folder: Path, name: str = "localhost") -> Certificates:
    """Return new ones for the host ``name``."""
    authority = trustme.CA()
    issued = authority.issue_cert(name, "127.0.0.1")
    made = Certificates(folder / "server.key", folder / "server.pem", folder / "ca.pem")
    issued.private_key_pem.write_to_path(str(made.key))
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(made.cert), append=number > 0)
    authority.cert_pem.write_to_path(str(made.ca))
    return made
