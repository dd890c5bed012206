"""Servers that clients come to: with tokens, with TLS, open to all."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.certificates import certificates
from tests.support.serving import serving

DOORS = ("token", "tls", "open")


@dataclass(frozen=True)
class Door:
    """How a client gets in.

    Attributes:
        token: the operator token; any text where the server asks for none.
        authority: the file with the certificate of the server's authority, ``None`` without TLS.
        is_open: whether the server asks for no token.
    """

    url: str
    token: str
    authority: Path | None = None
    is_open: bool = False


@contextmanager
def door(kind: str, folder: Path) -> Iterator[Door]:
    """Run a server with data below ``folder``: ``token`` (clear text), ``tls``, ``open`` (clear text, no tokens)."""
    if kind == "open":
        with serving(folder, "--without-auth") as served:
            yield Door(served.url, "none", is_open=True)
    elif kind == "token":
        with serving(folder) as served:
            yield Door(served.url, _first_token(served.url, None))
    else:
        files = certificates(folder)
        with serving(folder, "--tls-key", str(files.key), "--tls-cert", str(files.cert)) as served:
            url = served.url.replace("http://127.0.0.1", "https://localhost")
            yield Door(url, _first_token(url, files.ca), files.ca)


def _first_token(url: str, authority: Path | None) -> str:
    verify = ssl.create_default_context(cafile=authority) if authority is not None else True
    answer = httpx.post(f"{url}/api/v3/configure/token/admin", verify=verify)
    return str(answer.json()["token"])
