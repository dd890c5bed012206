"""Which times the WHERE of a statement leaves, as far as the text alone tells, and which rows in memory have them."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.model.schema import TIME_COLUMN
from engine.query.sql_text import EASY_LENGTH, Token, tokens

BLOCK_ROWS = 1_024
"""Rows in memory are left out in blocks of so many."""

_FIRST, _LAST = -(2**63), 2**63 - 1
_TIME_TEXT = re.compile(r"'(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z?)?'")
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
_UNREADABLE = {"BETWEEN", "CASE", "EXCEPT", "INTERSECT", "JOIN", "MINUS", "OR", "QUALIFY", "UNION", "XOR"}
_BEHIND_WHERE = {"GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "WINDOW", "FETCH"}

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Times in ns since the epoch, both ends included."""

    first_ns: int = _FIRST
    last_ns: int = _LAST


def time_range(sql: str) -> TimeRange | None:
    """Return times outside of which no row of the table matters to ``sql``; ``None`` = the text does not tell.

    Only of one SELECT from one table, whose WHERE compares ``time`` with plain texts, each comparison joined by AND to
    the rest. Whatever else there is must not be understood to be right: it can only leave fewer rows.
    """
    if len(sql) > EASY_LENGTH or TIME_COLUMN not in sql.lower():
        return None
    clauses = _clauses(list(tokens(sql)))
    found = [bound for clause in clauses if (bound := _bound(clause)) is not None]
    if not found:
        return None
    return TimeRange(max(bound.first_ns for bound in found), min(bound.last_ns for bound in found))


def _clauses(text: Sequence[Token]) -> list[list[Token]]:
    """Return what AND joins in the WHERE; nothing if the statement is of another kind than ``time_range`` reads."""
    words = [token.text if token.kind == "word" else "" for token in text]
    outside = [number for number, depth in enumerate(_depths(text)) if not depth]
    wheres = [number for number in outside if words[number] == "WHERE"]
    # Of tables in brackets each has another of these words.
    is_one_select = words[:1] == ["SELECT"] and [words.count(w) for w in ("SELECT", "FROM", "TABLE")] == [1, 1, 0]
    if not is_one_select or len(wheres) != 1 or _UNREADABLE.intersection(words[number] for number in outside):
        return []
    where = wheres[0]
    source = text[words.index("FROM") : where]
    if not source or any(token.kind == "mark" and token.text != "." for token in source):
        return []
    end = next((number for number in outside if number > where and words[number] in _BEHIND_WHERE), len(text))
    cuts = [where, *(number for number in outside if where < number < end and words[number] == "AND"), end]
    return [list(text[start + 1 : stop]) for start, stop in itertools.pairwise(cuts)]


def _depths(text: Sequence[Token]) -> Iterator[int]:
    """Yield in how many brackets each token is."""
    depth = 0
    for token in text:
        opens, closes = token.text in ("(", "[", "{"), token.text in (")", "]", "}")
        depth -= closes and token.kind == "mark"
        yield depth
        depth += opens and token.kind == "mark"


def _bound(clause: Sequence[Token]) -> TimeRange | None:
    """Return the times of ``time >= '2023-11-15T01:00:00Z'`` and the like, either way round."""
    sides = [token for token in clause if token.kind != "mark"]
    sign = "".join(token.text for token in clause[1:-1])
    if len(sides) != 2 or len(clause) < 3 or sign not in _MIRRORED:
        return None
    left, right = sides
    if _is_time(right):
        left, right, sign = right, left, _MIRRORED[sign]
    instant = _instant(right) if _is_time(left) else None
    if instant is None:
        return None
    first = {">=": instant, "=": instant, ">": instant + 1}.get(sign, _FIRST)
    return TimeRange(first, {"<=": instant, "=": instant, "<": instant - 1}.get(sign, _LAST))


def _is_time(token: Token) -> bool:
    return token.text == (TIME_COLUMN.upper() if token.kind == "word" else f'"{TIME_COLUMN}"')


def _instant(token: Token) -> int | None:
    found = _TIME_TEXT.fullmatch(token.text) if token.kind == "string" else None
    if found is None:
        return None
    day, clock, fraction = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}").replace(tzinfo=UTC)
    except ValueError:
        return None
    instant = int(moment.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0"))
    return instant if _FIRST < instant < _LAST else None


@dataclass(frozen=True, slots=True)
class Blocks:
    """The first and the last time in each block of rows of a batch, and in all of it."""

    firsts: Numbers
    lasts: Numbers
    whole: TimeRange


def blocks_of(batch: pa.RecordBatch) -> Blocks:
    """Return the times of the blocks of ``batch``, which need not be in any order."""
    times = batch.column(TIME_COLUMN).cast(pa.int64()).to_numpy(zero_copy_only=False)
    if not len(times):
        return Blocks(times, times, TimeRange(_LAST, _FIRST))
    starts = np.arange(0, len(times), BLOCK_ROWS)
    firsts, lasts = np.minimum.reduceat(times, starts), np.maximum.reduceat(times, starts)
    return Blocks(firsts, lasts, TimeRange(int(firsts.min()), int(lasts.max())))


def batches_within(
    batches: Sequence[pa.RecordBatch], blocks: Sequence[Blocks], wanted: TimeRange
) -> list[pa.RecordBatch] | None:
    """Return what may have such times of ``batches``, whose ``blocks`` these are; ``None`` = most of it."""
    found = [part for batch, known in zip(batches, blocks, strict=True) for part in _rows_within(batch, known, wanted)]
    is_most = 2 * sum(part.num_rows for part in found) > sum(batch.num_rows for batch in batches)
    return None if is_most else found


def _rows_within(batch: pa.RecordBatch, blocks: Blocks, wanted: TimeRange) -> list[pa.RecordBatch]:
    """Return the blocks of ``batch`` that may hold rows with such times, without a copy, neighbours together."""
    if blocks.whole.first_ns > wanted.last_ns or blocks.whole.last_ns < wanted.first_ns:
        return []
    is_in = (blocks.firsts <= wanted.last_ns) & (blocks.lasts >= wanted.first_ns)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_in, [False]]).astype(np.int8))) * BLOCK_ROWS
    return [batch.slice(a, b - a) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]
