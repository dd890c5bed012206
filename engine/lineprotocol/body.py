"""The entrance to line protocol: the body of one write becomes groups of Arrow columns."""

from engine.errors import InvalidRequest, LineProtocolError
from engine.lineprotocol.columnar import MOST_BYTES, parse_columns
from engine.lineprotocol.groups import ParsedBody, RejectedLine, RowCollector, excerpt, refuse_line
from engine.lineprotocol.lines import parse_line, split_lines
from engine.lineprotocol.timestamps import ingest_time, to_ns
from engine.model.precision import Precision

FEWEST_COLUMNAR_LINES = 100
"""From so many lines on the way through columns is the faster one."""

SURELY_LARGE_BYTES = 2**14
"""A body of more bytes goes that way however few its lines are: long lines pay sooner."""


def parse_body(body: bytes, precision: Precision, ingest_time_ns: int) -> ParsedBody:
    """Return the lines of ``body``: good ones in columns, the others with the reason.

    Lines without timestamp get ``ingest_time_ns``, cut down to ``precision``. Whether a line fits its table – names
    that are reserved, types of columns – is not judged here.

    Raises:
        InvalidRequest: ``body`` is not UTF-8, or hardly line protocol, see ``refuse_line``.
    """
    ingest_time_ns = ingest_time(ingest_time_ns, precision)
    is_large = len(body) > SURELY_LARGE_BYTES or body.count(b"\n") >= FEWEST_COLUMNAR_LINES
    if is_large and len(body) <= MOST_BYTES:
        if not body.isascii():
            _decode(body)  # what is not UTF-8 is refused
        return parse_columns(body, precision, ingest_time_ns)
    return parse_lines(_decode(body), precision, ingest_time_ns)


def parse_lines(body: str, precision: Precision, ingest_time_ns: int) -> ParsedBody:
    """Return what ``body`` holds, parsed line by line; ``ingest_time_ns`` is cut down to ``precision`` already."""
    lines = list(split_lines(body))
    collector = RowCollector()
    rejected: list[RejectedLine] = []
    for number, raw in enumerate(lines, start=1):
        try:
            line = parse_line(raw)
            time = ingest_time_ns if line.timestamp is None else to_ns(line.timestamp, precision)
        except LineProtocolError as error:
            refuse_line(rejected, RejectedLine(number, str(error), excerpt(raw.encode())))
        else:
            collector.add(number, line, time)
    return ParsedBody(collector.groups(), rejected, len(lines), lambda number: excerpt(lines[number - 1].encode()))


def _decode(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            cause = f"incomplete utf-8 byte sequence from index {error.start}"
        else:
            cause = f"invalid utf-8 sequence of {error.end - error.start} bytes from index {error.start}"
        raise InvalidRequest(f"body content is not valid utf8: {cause}") from error
