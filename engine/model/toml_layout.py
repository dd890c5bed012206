"""Where the entries of a TOML text stand, and the text with one of them changed and all else as it was.

Everything here expects text that ``tomli`` has accepted.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import tomli

from engine.errors import InvalidRequest

TablePath = tuple[str, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_KEY_PART = re.compile(_PART)
_BARE_PART = re.compile(r"[A-Za-z0-9_-]+")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")

_NO_STATEMENT = re.compile(r"(?:[ \t]*(?:\#[^\n]*)?\r?\n)*")
_START = re.compile(rf"[ \t]*(?:\[\[?[ \t]*(?P<table>{_KEY})|(?P<key>{_KEY})[ \t]*=[ \t]*)")
_REST_OF_LINE = re.compile(r"[^\n]*\n?")
_INDENT = re.compile(r"[ \t]*")
_BLANK_LINE_AT_END = re.compile(r"(?:\A|(?<=\n))[ \t]*\r?\n\Z")

# Most values are one word or one string on one line; the others are walked through piece by piece.
_PLAIN_VALUE = re.compile(
    r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"'\[\]{}\#][^\n"'\[\]{}\#]*?)(?=[ \t]*(?:\#[^\n]*)?(?:\r?\n|\Z))"""
)
_PIECE = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5} | \'\'\'.*?\'{3,5} | "(?:[^"\\\n]|\\.)*" | '[^'\n]*'
      | (?P<open>[\[{]) | (?P<close>[\]}]) | \#[^\n]* | \s+ | [^\s"'\[\]{}\#]+''',
    re.DOTALL | re.VERBOSE,
)

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True)
class Statement:
    """A header ``[key]``, or ``key = value``, by offsets into the text.

    Its lines, with a comment behind it, go from ``start`` to ``end``.
    """

    is_header: bool
    key: TablePath
    start: int
    end: int
    value_start: int
    value_end: int


@dataclass(frozen=True, slots=True)
class Block:
    """A header with what stands below it, up to its last value.

    Attributes:
        path: the key of the header; ``()`` for what stands before the first one.
        lead: the comments and blank lines before it.
    """

    path: TablePath
    lead: str
    body: str

    @property
    def text(self) -> str:
        """Return the block with its lead."""
        return self.lead + self.body


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML text as blocks in their order; the first one has the path ``()``.

    Attributes:
        tail: the comments and blank lines behind the last block.
        newline: how its lines end.
    """

    blocks: tuple[Block, ...]
    tail: str
    newline: str

    @property
    def text(self) -> str:
        """Return the whole text."""
        return _join(self.blocks) + self.tail

    def has(self, path: TablePath) -> bool:
        """Return whether there is a header ``[path]``."""
        return any(block.path == path for block in self.blocks)

    def line_of(self, path: TablePath, key: str | None = None) -> int:
        """Return the line, counted from 1, of ``key`` below ``[path]``, or else the line that comes nearest to it."""
        index = self._index(path)
        if index is None:
            index = self._first_below(path)
            if index is None:
                return self.line_of(path[:-1], path[-1]) if path else 1
            return self._line_in(index, 0)
        below = (s.start for s in statements(self.blocks[index].body) if not s.is_header and s.key[0] == key)
        start = next(below, None)
        inner = self._first_below((*path, key)) if start is None and key is not None else None
        return self._line_in(index, start or 0) if inner is None else self._line_in(inner, 0)

    def end_of(self, prefix: TablePath) -> int | None:
        """Return the number behind the last block whose path begins with ``prefix``, ``None`` where there is none."""
        size = len(prefix)
        return next((i + 1 for i in reversed(range(len(self.blocks))) if self.blocks[i].path[:size] == prefix), None)

    def insert(self, index: int, path: TablePath, lines: Sequence[str]) -> "Document":
        """Return the document with a new block before number ``index``, after a blank line."""
        body = "".join(line + self.newline for line in (header(path), *lines))
        is_at_line_start = not index or self.blocks[index - 1].text.endswith("\n")
        lead = self.newline if is_at_line_start else 2 * self.newline
        return replace(self, blocks=(*self.blocks[:index], Block(path, lead, body), *self.blocks[index:]))

    def insert_above(self, path: TablePath, lines: Sequence[str]) -> "Document":
        """Return the document with a new block ``[path]`` before the first one whose path begins so."""
        return self.insert(self._first_below(path) or 0, path, lines)

    def remove(self, prefix: TablePath) -> "Document":
        """Return the document without the blocks whose paths begin with ``prefix``, and without a blank line before each.

        Comments before them stay.
        """
        kept: list[Block] = []
        lead = ""
        for block in self.blocks:
            lead += block.lead
            if block.path[: len(prefix)] == prefix:
                lead = _BLANK_LINE_AT_END.sub("", lead)
                continue
            kept.append(replace(block, lead=lead))
            lead = ""
        return replace(self, blocks=tuple(kept), tail=lead + self.tail)

    def rename(self, prefix: TablePath, name: str) -> "Document":
        """Return the document with ``name`` as the last part of ``prefix`` in all headers that begin with it."""
        size = len(prefix)
        return replace(
            self,
            blocks=tuple(_renamed(b, size - 1, name) if b.path[:size] == prefix else b for b in self.blocks),
        )

    def put(self, path: TablePath, key: str, value: str, *, first: bool = False) -> "Document":
        """Return the document with ``key = value`` below ``[path]``: in its old place, else as the last (``first``) line."""
        return self._with_body(path, lambda body: _with_value(body, key, value, self.newline, first=first))

    def drop(self, path: TablePath, key: str) -> "Document":
        """Return the document without the lines of ``key`` below ``[path]``."""
        return self._with_body(path, lambda body: _without(body, key))

    def _with_body(self, path: TablePath, change: Callable[[str], str]) -> "Document":
        index = self._index(path)
        if index is None:
            raise KeyError(path)
        block = self.blocks[index]
        changed = replace(block, body=change(block.body))
        return replace(self, blocks=(*self.blocks[:index], changed, *self.blocks[index + 1 :]))

    def _line_in(self, index: int, offset: int) -> int:
        return (_join(self.blocks[:index]) + self.blocks[index].lead + self.blocks[index].body[:offset]).count("\n") + 1

    def _index(self, path: TablePath) -> int | None:
        return next((i for i, block in enumerate(self.blocks) if block.path == path), None)

    def _first_below(self, prefix: TablePath) -> int | None:
        return next((i for i, block in enumerate(self.blocks) if block.path[: len(prefix)] == prefix), None)


def parse_document(text: str) -> Document:
    """Return ``text`` as blocks; joined they are ``text`` again."""
    blocks: list[Block] = []
    path: TablePath = ()
    lead_start = body_start = body_end = 0
    for statement in statements(text):
        if statement.is_header:
            blocks.append(Block(path, text[lead_start:body_start], text[body_start:body_end]))
            path, lead_start, body_start = statement.key, body_end, statement.start
        elif not blocks and body_end == 0:
            body_start = statement.start
        body_end = statement.end
    blocks.append(Block(path, text[lead_start:body_start], text[body_start:body_end]))
    return Document(tuple(blocks), text[body_end:], "\r\n" if "\r\n" in text else "\n")


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of ``text`` in their order."""
    at = 0
    while True:
        start = _skip(_NO_STATEMENT, text, at)
        head = _START.match(text, start)
        if head is None:
            return
        table, key = head["table"], head["key"]
        value_end = head.end() if table is not None else _end_of_value(text, head.end())
        at = _skip(_REST_OF_LINE, text, value_end)
        yield Statement(
            table is not None, _parse_key(key if table is None else table), start, at, head.end(), value_end
        )


def quote(text: str) -> str:
    """Return ``text`` as a TOML string.

    Raises:
        InvalidRequest: it holds half a surrogate pair, which no file in UTF-8 can hold.
    """
    try:
        text.encode()
    except UnicodeEncodeError as cause:
        raise InvalidRequest(f"invalid configuration provided: {text!r} is not valid Unicode") from cause
    return '"' + _ESCAPED.sub(lambda m: _ESCAPES.get(m[0]) or f"\\u{ord(m[0]):04x}", text) + '"'


def quote_key(part: str) -> str:
    """Return ``part`` as one part of a TOML key, without quotes where it needs none."""
    return part if _BARE_PART.fullmatch(part) else quote(part)


def header(path: TablePath) -> str:
    """Return the header ``[path]``."""
    return f"[{'.'.join(quote_key(part) for part in path)}]"


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _join(blocks: Sequence[Block]) -> str:
    return "".join([part for block in blocks for part in (block.lead, block.body)])


def _end_of_value(text: str, start: int) -> int:
    plain = _PLAIN_VALUE.match(text, start)
    if plain:
        return plain.end()
    depth, at = 0, start
    while True:
        piece = _PIECE.match(text, at)
        if piece is None:
            return at
        depth += (piece["open"] is not None) - (piece["close"] is not None)
        at = piece.end()
        if depth == 0:
            return at


def _parse_key(raw: str) -> TablePath:
    if _BARE_KEY.fullmatch(raw):
        return tuple(raw.split("."))
    return tuple(_parse_part(part) for part in _KEY_PART.findall(raw))


def _parse_part(raw: str) -> str:
    return next(iter(tomli.loads(f"{raw}=0")))


def _renamed(block: Block, number: int, name: str) -> Block:
    start = _START.match(block.body)
    if start is None:
        raise ValueError(f"no header in {block.body!r}")
    part = list(_KEY_PART.finditer(block.body, start.start("table"), start.end("table")))[number]
    body = block.body[: part.start()] + quote_key(name) + block.body[part.end() :]
    return Block((*block.path[:number], name, *block.path[number + 1 :]), block.lead, body)


def _with_value(body: str, key: str, value: str, newline: str, *, first: bool) -> str:
    known = list(statements(body))
    old = next((s for s in known if not s.is_header and s.key == (key,)), None)
    if old:
        return body[: old.value_start] + value + body[old.value_end :]
    at, indent = 0, ""
    if known:
        neighbour = known[0] if first else known[-1]
        at, indent = neighbour.end, body[neighbour.start : _skip(_INDENT, body, neighbour.start)]
    gap = newline if at and body[at - 1] != "\n" else ""
    return f"{body[:at]}{gap}{indent}{quote_key(key)} = {value}{newline}{body[at:]}"


def _without(body: str, key: str) -> str:
    old = next((s for s in statements(body) if not s.is_header and s.key == (key,)), None)
    return body[: old.start] + body[old.end :] if old else body
