"""Tokens: how they are hashed, how a request presents one, and whether it is valid."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable

from engine.catalog.state import Token
from engine.errors import AuthorizationMalformed, Unauthorized

NOT_AUTHENTICATED = "the request was not authenticated"
MALFORMED = (
    "Authorization header was malformed, the request was not in the form of 'Authorization: <auth-scheme> <token>', "
    "supported auth-schemes are Bearer, Token and Basic"
)
NOT_VISIBLE_ASCII = "to str error: failed to convert header to a str"

_VISIBLE_ASCII = re.compile(rb"[\x20-\x7e\t]*")


def hash_token(text: str) -> str:
    """Return what is kept of the token ``text``: SHA-512 of the whole, 128 hex digits."""
    return hashlib.sha512(text.encode(errors="surrogatepass")).hexdigest()


def find_token(tokens: Iterable[Token], text: str, now_ns: int) -> Token | None:
    """Return the one of ``tokens`` that ``text`` is, ``None`` if it is none of them or has expired.

    Takes as long for a text that is nearly right as for any other.
    """
    presented = hash_token(text).encode()
    found = None
    for token in tokens:
        if hmac.compare_digest(presented, token.hash.encode()) and token.is_valid_at(now_ns):
            found = token
    return found


def check_token(tokens: Iterable[Token], text: str | None, now_ns: int) -> Token:
    """Return the one of ``tokens`` that ``text`` is; ``None`` means that the request brought none.

    Raises:
        Unauthorized: it brought none, an unknown or an expired one.
    """
    token = None if text is None else find_token(tokens, text, now_ns)
    if token is None:
        raise Unauthorized(NOT_AUTHENTICATED)
    return token


def parse_authorization(header: bytes | str | None) -> str | None:
    """Return the token that an ``Authorization`` header holds, ``None`` where there is no header.

    The forms are ``Bearer <token>``, ``Token <token>`` and ``Basic <base64 of anything:token>``.

    Raises:
        AuthorizationMalformed: it has none of these forms.
    """
    if header is None:
        return None
    raw = header.encode(errors="surrogatepass") if isinstance(header, str) else header
    if not _VISIBLE_ASCII.fullmatch(raw):
        raise AuthorizationMalformed(NOT_VISIBLE_ASCII)
    match raw.decode("ascii").split(" "):
        case ["Bearer" | "Token", token] if token:
            return token
        case ["Basic", payload] if payload:
            return _token_of_basic(payload)
        case _:
            raise AuthorizationMalformed(MALFORMED)


def presented_token(header: bytes | str | None, query_token: str | None = None) -> str | None:
    """Return the token of a request; ``query_token`` is its parameter ``p``, where the path allows one, and comes first.

    Raises:
        AuthorizationMalformed: the header decides, and has none of the forms that are understood.
    """
    return parse_authorization(header) if query_token is None else query_token


def _token_of_basic(payload: str) -> str:
    try:
        raw = base64.b64decode(payload, validate=True)
        text = raw.decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise AuthorizationMalformed(MALFORMED) from error
    if base64.b64encode(raw).decode() != payload:  # Python lets more padding pass than there should be
        raise AuthorizationMalformed(MALFORMED)
    _, colon, token = text.rpartition(":")
    if not colon:
        raise AuthorizationMalformed(MALFORMED)
    return token
