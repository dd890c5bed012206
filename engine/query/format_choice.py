"""Which format a request asks its answer in."""

from enum import Enum

from engine.errors import InvalidRequest


class Format(Enum):
    """A format; the value is the ``content-type`` of answers in it."""

    PARQUET = "application/vnd.apache.parquet"
    CSV = "text/csv"
    PRETTY = "text/plain; charset=utf-8"
    JSON = "application/json"
    JSON_LINES = "application/jsonl"

    @property
    def is_collected(self) -> bool:
        """Return whether an answer begins when all of it is there, so that every failure still has its status."""
        return self in (Format.PARQUET, Format.PRETTY)


_BY_NAME = {
    "parquet": Format.PARQUET,
    "csv": Format.CSV,
    "pretty": Format.PRETTY,
    "json": Format.JSON,
    "json_lines": Format.JSON_LINES,
    "jsonl": Format.JSON_LINES,
}
_BY_ACCEPT = {
    "application/vnd.apache.parquet": Format.PARQUET,
    "text/csv": Format.CSV,
    "text/plain": Format.PRETTY,
    "application/json": Format.JSON,
}
_ANYTHING = ("text/html", "*/*")


def choose_format(format_param: str | None, accept: bytes | str | None) -> Format:
    """Return the format that a request asks for: that of its parameter, else that of its ``Accept`` header.

    The header is read first, and refused if it is wrong, also where the parameter decides.

    Raises:
        InvalidRequest: neither a known format nor a known header.
    """
    accepted = _accepted(accept)
    return accepted if format_param is None else parse_format(format_param)


def parse_format(name: str) -> Format:
    """Return the format called ``name``.

    Raises:
        InvalidRequest: there is none of this name.
    """
    if name not in _BY_NAME:
        known = ", ".join(f"`{known}`" for known in _BY_NAME)
        raise InvalidRequest(f"serde error: unknown variant `{name}`, expected one of {known}")
    return _BY_NAME[name]


def _accepted(accept: bytes | str | None) -> Format:
    if accept is None:
        return Format.JSON
    text = accept if isinstance(accept, str) else _header_text(accept)
    if text in _BY_ACCEPT:
        return _BY_ACCEPT[text]
    if any(anything in text for anything in _ANYTHING):
        return Format.JSON
    raise InvalidRequest(f"invalid mime type ({text})")


def _header_text(accept: bytes) -> str:
    try:
        return accept.decode()
    except UnicodeDecodeError as error:
        cut_off = error.reason == "unexpected end of data"
        kind = (
            "incomplete utf-8 byte sequence"
            if cut_off
            else f"invalid utf-8 sequence of {error.end - error.start} bytes"
        )
        message = f"the mime type specified was not valid UTF8: {kind} from index {error.start}"
        raise InvalidRequest(message) from error
