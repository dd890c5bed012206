"""The text of a token, and the file in which one is made before there is a server."""

import base64
import json
import secrets
from dataclasses import dataclass, field

PREFIX = "apiv3_"
OPERATOR_NAME = "_admin"

_RANDOM_BYTES = 64


@dataclass(frozen=True, slots=True)
class OfflineToken:
    """A token that a server takes over when it starts.

    Attributes:
        expiry_ms: from when on it is not valid, in ms since the epoch, ``None`` = never.
    """

    token: str = field(repr=False)
    name: str = OPERATOR_NAME
    expiry_ms: int | None = None


def create_token() -> str:
    """Return the text of a new token: ``apiv3_`` and 64 random bytes in URL-safe base64 without padding."""
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(_RANDOM_BYTES)).rstrip(b"=").decode()


def encode_offline_token(offline: OfflineToken) -> bytes:
    """Return the content of a token file: JSON for people."""
    value: dict[str, str | int] = {"token": offline.token, "name": offline.name}
    if offline.expiry_ms is not None:
        value["expiry_millis"] = offline.expiry_ms
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def decode_offline_token(content: bytes) -> OfflineToken:
    """Return the token that a token file holds; keys that are not known are passed over.

    Raises:
        ValueError: the text says what is wrong, without the token.
    """
    try:
        value = json.loads(content)
    except ValueError as error:
        raise ValueError(
            f"expected JSON: {error}" if isinstance(error, json.JSONDecodeError) else "not UTF-8"
        ) from None
    if not isinstance(value, dict):
        raise ValueError('expected a JSON object such as {"token": "apiv3_…", "name": "_admin"}')
    token, name, expiry_ms = value.get("token"), value.get("name", OPERATOR_NAME), value.get("expiry_millis")
    if not isinstance(token, str) or not token.startswith(PREFIX):
        raise ValueError(f"'token' must be a text that begins with {PREFIX}")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError("'token' must have printable ASCII characters only, and no blanks")
    if not isinstance(name, str) or not name:
        raise ValueError("'name' must be a text that is not empty")
    if expiry_ms is not None and (not isinstance(expiry_ms, int) or isinstance(expiry_ms, bool) or expiry_ms < 0):
        raise ValueError("'expiry_millis' must be a number of milliseconds since 1970, or be left out")
    return OfflineToken(token, name, expiry_ms)
