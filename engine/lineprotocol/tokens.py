"""Where the tokens of a large body stand: its separators by position, and its physical lines, some of which need care."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.lineprotocol.lines import WHOLE_LINE_BYTES

Indices = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

NEWLINE, SPACE, COMMA, EQUALS, QUOTE = b'\n ,="'
_BACKSLASH, _RETURN, _TAB, _HASH, _NUL = b"\\\r\t#\0"
_BLANKS = b" \t"

WORD = 8
"""So many bytes are compared at once; behind the body as many follow, so that they can be read at each position."""

FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(WORD + 1)], np.uint64)
"""For each number of bytes the mask that leaves so many of a word."""

MIX = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose multiples spread over all bits."""

_PIECE_BYTES = 2**16

_IS_SEPARATOR = np.zeros(256, np.bool_)
_IS_SEPARATOR[[NEWLINE, SPACE, COMMA, EQUALS]] = True
_IS_MARK = _IS_SEPARATOR.copy()
_IS_MARK[[QUOTE, _BACKSLASH, _RETURN, _TAB, _NUL]] = True
_NEEDS_CARE_OUTSIDE = np.zeros(256, np.bool_)
_NEEDS_CARE_OUTSIDE[[_BACKSLASH, _RETURN, _TAB, _NUL]] = True


@dataclass(frozen=True, slots=True)
class Tokens:
    """The separators of a body, and its lines as they end at line breaks.

    Attributes:
        data: the body and ``WORD`` bytes more.
        separators: position of each separator outside strings: line breaks, blanks, commas, equals signs.
        kinds: the byte at each of these positions.
        starts: the position at which each line starts.
        stops: the position of the line break that ends it.
        last: per line the index in ``separators`` of that line break.
        counts: per line the number of its separators, the line break included.
        quotes: per line the number of its quotes.
        needs_care: the lines that only the line by line parser can judge, blank lines not among them. The tokens of
            all others are what they seem: nothing is escaped outside strings, a quote opens a string behind an equals
            sign or closes it before a separator, and no string goes beyond the line.
        has_escapes: there are backslashes.
    """

    data: Bytes
    separators: Indices
    kinds: Bytes
    starts: Indices
    stops: Indices
    last: Indices
    counts: Indices
    quotes: Indices
    needs_care: Flags
    has_escapes: bool


def words_of(data: Bytes) -> npt.NDArray[np.uint64]:
    """Return the eight bytes at each position of ``data`` as a number, the first of them its lowest."""
    return np.ndarray((len(data) - WORD + 1,), "<u8", data, strides=(1,))


def scan(body: bytes, longest_line: int) -> Tokens:
    """Return the tokens of ``body``, which ends with a line break; lines of more than ``longest_line`` bytes need care."""
    data = np.frombuffer(body + bytes(WORD), np.uint8)
    view = data[: len(body)]
    has_backslash = _BACKSLASH in body
    has_specials = has_backslash or any(byte in body for byte in (QUOTE, _RETURN, _TAB, _NUL))
    marks, kinds = _marks(view, has_backslash=has_backslash)
    line_breaks = np.flatnonzero(kinds == NEWLINE)
    stops = marks[line_breaks]
    starts = np.concatenate(([0], stops[:-1] + 1))
    if has_specials:
        quotes, delimiters, needs_care = _quotes(data, marks, kinds, line_breaks)
        is_inside = _inside(delimiters, len(marks))
        is_careful = ~is_inside & _NEEDS_CARE_OUTSIDE[kinds]
        needs_care[np.searchsorted(line_breaks, np.flatnonzero(is_careful))] = True
        is_real = _IS_SEPARATOR[kinds] & ~is_inside
        marks, kinds = marks[is_real], kinds[is_real]
        line_breaks = np.flatnonzero(kinds == NEWLINE)
    else:
        quotes = np.zeros(len(stops), np.int64)
        needs_care = np.zeros(len(stops), np.bool_)
    first = data[starts]
    needs_care |= (first == SPACE) | (first == _TAB) | (first == _HASH) | (stops - starts > longest_line)
    return Tokens(
        data=data,
        separators=marks,
        kinds=kinds,
        starts=starts,
        stops=stops,
        last=line_breaks,
        counts=np.diff(line_breaks, prepend=-1),
        quotes=quotes,
        needs_care=needs_care,
        has_escapes=has_backslash,
    )


def _marks(view: Bytes, *, has_backslash: bool) -> tuple[Indices, Bytes]:
    """Return where separators and special bytes stand, and which these are.

    All of them but two are at most a comma, which few other bytes are. The body is taken in pieces that stay in the
    processor's cache: passing over all of it at once costs twice as much.
    """
    pieces = []
    for begin in range(0, len(view), _PIECE_BYTES):
        piece = view[begin : begin + _PIECE_BYTES]
        is_marked = piece <= COMMA
        is_marked |= piece == EQUALS
        if has_backslash:
            is_marked |= piece == _BACKSLASH
        found = np.flatnonzero(is_marked)
        found += begin
        pieces.append(found)
    marks = np.concatenate(pieces)
    kinds = view[marks]
    is_mark = _IS_MARK[kinds]
    return (marks, kinds) if is_mark.all() else (marks[is_mark], kinds[is_mark])


def _quotes(data: Bytes, marks: Indices, kinds: Bytes, line_breaks: Indices) -> tuple[Indices, Indices, Flags]:
    """Return the number of quotes per line, the marks that open and close strings, and the lines whose quotes need care.

    The marks alternate between opening and closing; those of lines that need care are not among them.
    """
    quotes = np.flatnonzero(kinds == QUOTE)
    quotes = quotes[~_is_escaped(data, marks, kinds, quotes)]
    lines = np.searchsorted(line_breaks, quotes)
    counts = np.bincount(lines, minlength=len(line_breaks))
    needs_care = counts % 2 == 1
    in_pairs = ~needs_care[lines]
    quotes, lines = quotes[in_pairs], lines[in_pairs]
    opening, closing = marks[quotes[0::2]], marks[quotes[1::2]]
    is_string = (data[opening - 1] == EQUALS) & _IS_SEPARATOR[data[closing + 1]]
    is_string &= _first_blanks(marks, kinds, line_breaks)[lines[0::2]] < opening
    if not is_string.all():
        needs_care[lines[0::2][~is_string]] = True
        quotes = quotes[~needs_care[lines]]
    return counts, quotes, needs_care


def _first_blanks(marks: Indices, kinds: Bytes, line_breaks: Indices) -> Indices:
    """Return per line the position of its first blank, one behind the line if it has none.

    Up to there are only names, in which a quote means nothing.
    """
    blanks = np.append(marks[kinds == SPACE], marks[-1] + 1)
    starts = np.append(-1, marks[line_breaks[:-1]])
    first_blanks: Indices = blanks[np.searchsorted(blanks, starts)]
    return first_blanks


def _inside(delimiters: Indices, count: int) -> Flags:
    """Return which of ``count`` marks stand inside strings: from an opening quote to the mark before the closing one."""
    steps = np.zeros(count, np.int8)
    steps[delimiters[0::2]] = 1
    steps[delimiters[1::2]] = -1
    return np.cumsum(steps, dtype=np.int8).astype(np.bool_)


def _is_escaped(data: Bytes, marks: Indices, kinds: Bytes, quotes: Indices) -> Flags:
    """Return which of ``quotes`` stand behind an odd number of backslashes."""
    is_escaped = np.zeros(len(quotes), np.bool_)
    behind = np.flatnonzero(data[marks[quotes] - 1] == _BACKSLASH)
    if behind.size:
        # A backslash is a mark itself, so a run of them is a run of marks at neighbouring positions.
        backslashes = marks[kinds == _BACKSLASH]
        before = np.searchsorted(backslashes, marks[quotes[behind]]) - 1
        is_escaped[behind] = place_in_run(backslashes)[before] % 2 == 0
    return is_escaped


@dataclass(frozen=True, slots=True)
class Layout:
    """The lines of a body that count: not the blank ones, not comments, and what a string goes on over is one line.

    Attributes:
        begins: the position at which each line begins, the blanks before it included.
        stops: the position at which it ends.
        plain: the lines that need no care, as physical lines.
        careful: the numbers of the lines that need it.
        numbers: per physical line its number, counted from 1 over the lines that count.
    """

    begins: Indices
    stops: Indices
    plain: Indices
    careful: Indices
    numbers: Indices


def lay_out(body: bytes, tokens: Tokens) -> Layout:
    """Return which lines of ``body`` count."""
    is_plain = (tokens.stops > tokens.starts) & ~tokens.needs_care
    is_careful = np.zeros(len(is_plain), np.bool_)
    stops = tokens.stops.copy()
    suspects = np.flatnonzero(tokens.needs_care)
    spans = zip(suspects.tolist(), tokens.starts[suspects].tolist(), tokens.stops[suspects].tolist(), strict=True)
    next_line = 0
    for line, begin, stop in spans:
        if line < next_line:
            continue
        content = body[begin:stop].lstrip(_BLANKS)
        if not content or content[0] == _HASH:
            continue
        is_careful[line] = True
        if QUOTE in content and (match := WHOLE_LINE_BYTES.match(body, begin, len(body) - 1)) and match.end() != stop:
            # The line ends where the line by line parser says, which can be lines further on.
            stops[line] = match.end()
            next_line = int(np.searchsorted(tokens.stops, match.end())) + 1
            is_plain[line:next_line] = False
    heads = np.flatnonzero(is_plain | is_careful)
    return Layout(
        begins=tokens.starts[heads],
        stops=stops[heads],
        plain=np.flatnonzero(is_plain),
        careful=np.flatnonzero(is_careful[heads]) + 1,
        numbers=np.cumsum(is_plain | is_careful),
    )


def place_in_run(positions: Indices) -> Indices:
    """Return for each of ``positions``, which rise, how many right before it are among them, too."""
    places = np.arange(len(positions))
    begins_run = np.diff(positions, prepend=-2) != 1
    place: Indices = places - np.maximum.accumulate(np.where(begins_run, places, 0))
    return place
