"""Line protocol line by line: small bodies, lines that need care, and the reason why a line is refused."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from engine.errors import LineProtocolError
from engine.lineprotocol.escape import unescape_measurement, unescape_name, unescape_string
from engine.lineprotocol.timestamps import HIGHEST_NS, LOWEST_NS
from engine.model.schema import ColumnType

Value = str | int | float | bool

MOST_STRING_BYTES = 2**20
"""The most bytes of a measurement, a key, a tag value or a string field."""

BLANKS = " \t"

# Ends at the line break that ends the line. A quote right behind an ``=``, and only there, opens a string, which may
# hold line breaks; before the first blank that is not escaped there are only names, and a quote means nothing in them.
_WHOLE_LINE = r"""[ \t]*+(?:
    \#[^\n]*+
  | (?:[^ \\\n]++|\\[^\n]|\\)*+
    (?:[ ](?:[^=\\\n]++|\\[^\n]|\\|=(?:"(?:[^"\\]++|\\.)*+\\?"?)?)*+)?
)"""
WHOLE_LINE = re.compile(_WHOLE_LINE, re.VERBOSE | re.DOTALL)
WHOLE_LINE_BYTES = re.compile(_WHOLE_LINE.encode(), re.VERBOSE | re.DOTALL)

# The plain forms: no name escaped, no number that could leave its range. They decide nothing but speed.
_PLAIN_SERIES = re.compile(r"([^ \t\n\0,\\]++)((?:,[^ \t\n,=\\]++=[^ \t\n,\\]++)*+) ++")
_PLAIN_FIELD = re.compile(
    r"""([^ \t\n,=\\]++)=(?:
        (-?+[0-9]{1,18})i
      | ([0-9]{1,18})u
      | (-?+[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+)
      | "((?:[^"\\]++|\\.)*+)"
      | (true|True|TRUE|t|T|false|False|FALSE|f|F)
    )(?=[, ]|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN_TIMESTAMP = re.compile(r" ++(-?+[0-9]{1,18}|[1-8][0-9]{18}) *+\Z")
_SURELY_SHORT = MOST_STRING_BYTES // 4  # characters, none of which takes more than four bytes

# The exact forms: each takes as much as belongs to it, and the text is judged afterwards.
_MEASUREMENT = re.compile(r"(?:[^ \t\n\0,\\]++|\\[^\0]|\\\Z)*+", re.DOTALL)
_TAG_KEY = re.compile(r"(?:[^ \t\n,=\\]++|\\.|\\\Z)*+", re.DOTALL)
_TAG_VALUE = re.compile(r"(?:[^ \t\n,\\]++|\\.|\\\Z)*+", re.DOTALL)
_FIELD_KEY = re.compile(r"(?:[^ \t\n=\\]++|\\.|\\\Z)*+", re.DOTALL)
_FIELD_VALUE = re.compile(
    r"""
        (-?[0-9]+)i
      | ([0-9]+)u
      | (-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
      | "((?:[^"\\]++|\\.)*+)"
      | (true|True|TRUE|t|T|false|False|FALSE|f|F)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANKS = re.compile(r" *+")
_TIMESTAMP = re.compile(r" ++(-?[0-9]++) *+")
_ESCAPED = re.compile(r"\\.", re.DOTALL)

_MOST_QUOTED = 10


class Line(NamedTuple):
    """One line that follows the grammar.

    Attributes:
        fields: key and type of each field; ``values`` are theirs, in the same order.
        timestamp: as it stands in the line, in the precision of the write; ``None`` = it has none.
    """

    table: str
    tags: tuple[str, ...]
    tag_values: tuple[str, ...]
    fields: tuple[tuple[str, ColumnType], ...]
    values: tuple[Value, ...]
    timestamp: int | None


def split_lines(body: str) -> Iterator[str]:
    """Return the lines of ``body`` that are neither blank nor comments, each with the blanks before it."""
    for line in body.split("\n") if '"' not in body else _split_quoted(body):
        content = line.lstrip(BLANKS)
        if content and content[0] != "#":
            yield line


def parse_line(line: str) -> Line:
    """Return what ``line``, one of those that ``split_lines`` gives, holds.

    Raises:
        LineProtocolError: the line does not follow the grammar, or names a tag or a field twice.
    """
    line = line.lstrip(BLANKS)
    return _parse_plain(line) or _parse_exactly(line)


def _split_quoted(body: str) -> Iterator[str]:
    body = body.removesuffix("\n")  # which does not belong to a string that nobody closed
    position = 0
    while position <= len(body):
        match = WHOLE_LINE.match(body, position)
        end = match.end() if match else position  # the pattern matches everywhere, if only nothing
        yield body[position:end]
        position = end + 1


# Plain lines.


def _parse_plain(line: str) -> Line | None:
    """Return what ``line`` holds if it is one of the usual kind, ``None`` where only ``_parse_exactly`` can tell."""
    series = _PLAIN_SERIES.match(line)
    if series is None or len(line) > _SURELY_SHORT:
        return None
    table, tag_set = series.groups()
    tags: tuple[str, ...] = ()
    tag_values: tuple[str, ...] = ()
    if tag_set:
        tags, tag_values = zip(*[tag.split("=", 1) for tag in tag_set[1:].split(",")], strict=True)
        if len(set(tags)) < len(tags):
            return None
    fields: list[tuple[str, ColumnType]] = []
    values: list[Value] = []
    end = _plain_fields(line, series.end(), fields, values)
    if end == len(line):
        timestamp = None
    elif end is None or (time := _PLAIN_TIMESTAMP.match(line, end)) is None:
        return None
    else:
        timestamp = int(time[1])
    if len(fields) > 1 and len({key for key, _ in fields}) < len(fields):
        return None
    return Line(table, tags, tag_values, tuple(fields), tuple(values), timestamp)


def _plain_fields(line: str, position: int, fields: list[tuple[str, ColumnType]], values: list[Value]) -> int | None:
    """Append the fields from ``position`` on; return where they end, ``None`` if one of them is not plain."""
    while field := _PLAIN_FIELD.match(line, position):
        kind, convert = _KINDS[field.lastindex or 0]
        fields.append((field[1], kind))
        values.append(convert(field[field.lastindex or 0]))
        position = field.end()
        if line[position : position + 1] != ",":
            return position
        position += 1
    return None


def _is_true(text: str) -> bool:
    return text[0] in "tT"


_KINDS: dict[int, tuple[ColumnType, Callable[[str], Value]]] = {
    2: (ColumnType.INTEGER, int),
    3: (ColumnType.UINTEGER, int),
    4: (ColumnType.FLOAT, float),
    5: (ColumnType.STRING, unescape_string),
    6: (ColumnType.BOOLEAN, _is_true),
}


# Any line.


def _parse_exactly(line: str) -> Line:
    measurement, position = _name(_MEASUREMENT, line, 0, unescape_measurement)
    if not measurement:
        raise LineProtocolError("Invalid measurement was provided")
    tags, position = _tag_set(line, position)
    fields_at = _match_end(_BLANKS, line, position)
    if fields_at == position:
        rest = f"`{line[position:]}`" if position < len(line) else "end of input"
        raise LineProtocolError(f"Expected at least one space character, got {rest}")
    fields, position, is_dangling = _field_set(line, fields_at)
    timestamp, end = _timestamp(line, position)
    if end < len(line):
        raise LineProtocolError(f"Could not parse entire line. Found trailing content: `{_quoted(line[end:])}`")
    if is_dangling:
        raise LineProtocolError(f"Expected field key, got {_rest(line, position)}")
    if repeated := _first_repeated([key for key, _ in tags]):
        raise LineProtocolError(f"Must not contain duplicate tags, but `{repeated}` was repeated")
    if repeated := _first_repeated([key for key, _, _ in fields]):
        raise LineProtocolError(f"invalid line protocol - multiple instances of '{repeated}' field found")
    return Line(
        measurement,
        tuple(key for key, _ in tags),
        tuple(value for _, value in tags),
        tuple((key, kind) for key, kind, _ in fields),
        tuple(value for _, _, value in fields),
        timestamp,
    )


def _tag_set(line: str, position: int) -> tuple[list[tuple[str, str]], int]:
    tags: list[tuple[str, str]] = []
    begin = position + 1
    while line.startswith(",", position):
        key, end = _name(_TAG_KEY, line, position + 1, unescape_name)
        if not key and not line.startswith(",", end):
            raise LineProtocolError(f"Expected tag key, got {_rest(line, end)}")
        if not line.startswith("=", end):
            # Also for a comma in a key that is not escaped: nobody means it, and it would make a tag of an odd name.
            raise LineProtocolError(f"Tag set malformed: could not find equals sign in `{_quoted(line[begin:])}`")
        value, position = _name(_TAG_VALUE, line, end + 1, unescape_name)
        if not value:
            raise LineProtocolError(f"Expected tag value, got {_rest(line, position)}")
        tags.append((key, value))
    return tags, position


def _field_set(line: str, position: int) -> tuple[list[tuple[str, ColumnType, Value]], int, bool]:
    """Return the fields, where they end, and whether the comma before that end has no field behind it.

    What is quoted of a line whose further field fails begins, as in the product, behind the comma for the second field
    and at the comma for later ones. So a timestamp may follow a comma, and such a line must be refused by itself.
    """
    field = _field(line, position)
    if field is None:
        raise LineProtocolError("No fields were provided")
    fields = [field[:3]]
    position = field[3]
    while line.startswith(",", position):
        field = _field(line, position + 1)
        if field is None:
            return fields, position + (len(fields) == 1), len(fields) == 1
        fields.append(field[:3])
        position = field[3]
    return fields, position, False


def _field(line: str, position: int) -> tuple[str, ColumnType, Value, int] | None:
    """Return key, type, value and end of the field at ``position``, ``None`` if there is none."""
    key, end = _name(_FIELD_KEY, line, position, unescape_name)
    if not key or not line.startswith("=", end):
        return None
    match = _FIELD_VALUE.match(line, end + 1)
    if match is None:
        return None
    if "," in _ESCAPED.sub("", line[position:end]):
        quoted = _quoted(line[position:])
        raise LineProtocolError(f"Field set malformed: could not find equals sign in `{quoted}`")
    kind, _ = _KINDS[(match.lastindex or 0) + 1]
    return key, kind, _value(kind, match[match.lastindex or 0]), match.end()


def _value(kind: ColumnType, text: str) -> Value:
    match kind:
        case ColumnType.INTEGER:
            return _integer(text, LOWEST_NS, HIGHEST_NS, "integer")
        case ColumnType.UINTEGER:
            return _integer(text, 0, 2**64 - 1, "unsigned integer")
        case ColumnType.FLOAT:
            return float(text)
        case ColumnType.STRING:
            return _limited(unescape_string(text))
        case _:
            return _is_true(text)


def _timestamp(line: str, position: int) -> tuple[int | None, int]:
    match = _TIMESTAMP.match(line, position)
    if match is None:
        return None, position
    return _integer(match[1], LOWEST_NS, HIGHEST_NS, "timestamp"), match.end()


def _integer(text: str, lowest: int, highest: int, what: str) -> int:
    # Python refuses to convert thousands of digits; no number of the range has more than twenty.
    digits = text.lstrip("-").lstrip("0")
    number = int(f"-{digits}" if text[0] == "-" else digits) if 0 < len(digits) <= 20 else 0
    if len(digits) > 20 or not lowest <= number <= highest:
        raise LineProtocolError(f"Unable to parse {what} value `{text}`")
    return number


def _name(pattern: re.Pattern[str], line: str, position: int, unescape: Callable[[str], str]) -> tuple[str, int]:
    """Return the name at ``position``, empty if there is none, and where it ends."""
    end = _match_end(pattern, line, position)
    name = unescape(line[position:end])
    if name.endswith("\\"):
        raise LineProtocolError("Measurements, tag keys and values, and field keys may not end with a backslash")
    return _limited(name), end


def _limited(text: str) -> str:
    if len(text) > _SURELY_SHORT and len(text.encode()) > MOST_STRING_BYTES:
        raise LineProtocolError("String is greater than 1MB")
    return text


def _match_end(pattern: re.Pattern[str], line: str, position: int) -> int:
    match = pattern.match(line, position)
    return match.end() if match else position


def _first_repeated(keys: list[str]) -> str | None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return None


def _rest(line: str, position: int) -> str:
    return f"`{_quoted(line[position:])}`" if position < len(line) else "end of input"


def _quoted(text: str) -> str:
    """Return the beginning of ``text`` as messages quote it; the limit counts bytes, the beginning characters."""
    return f"{text[:_MOST_QUOTED]}..." if len(text.encode()) > _MOST_QUOTED else text
