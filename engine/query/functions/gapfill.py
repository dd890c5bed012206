"""``date_bin_gapfill``, ``locf`` and ``interpolate`` as plain SQL: empty bins are rows of ``range``.

Each group's bins are listed once, in order. Each row of it makes itself and the empty bins up to the next one, so what is
read is read once, and HAVING, ORDER BY, LIMIT and what stands around the query work on the filled rows. Each row knows the
values before and behind it, so that filled rows need no window: windows over them would be gone through for each of them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from engine.errors import QueryError
from engine.query.functions.calls import Call, Text, replaced
from engine.query.functions.gap_bin import MOST_ROWS, TOO_MANY, Evaluate, GapBin
from engine.query.functions.gap_block import (
    GAPFILL,
    GAPFILLS,
    WALLCLOCK_GAPFILL,
    Block,
    Item,
    block_at,
    identifier,
    name_of,
    path_at,
)
from engine.query.functions.gap_bounds import bounds_of
from engine.query.functions.selectors import SELECTORS
from engine.query.functions.wallclock import NAME as WALLCLOCK
from engine.query.sql_text import quote_identifier

FILLS = ("LOCF", "INTERPOLATE")
MOST_GAPFILLS = 20

# fmt: off
AGGREGATES = SELECTORS | frozenset((
    "ANY_VALUE", "APPROX_DISTINCT", "APPROX_MEDIAN", "APPROX_PERCENTILE_CONT", "APPROX_PERCENTILE_CONT_WITH_WEIGHT",
    "ARRAY_AGG", "AVG", "BIT_AND", "BIT_OR", "BIT_XOR", "BOOL_AND", "BOOL_OR", "CORR", "COUNT", "COVAR", "COVAR_POP",
    "COVAR_SAMP", "FIRST_VALUE", "GROUPING", "LAST_VALUE", "MAX", "MEAN", "MEDIAN", "MIN", "NTH_VALUE",
    "PERCENTILE_CONT", "QUANTILE_CONT", "REGR_AVGX", "REGR_AVGY", "REGR_COUNT", "REGR_INTERCEPT", "REGR_R2",
    "REGR_SLOPE", "REGR_SXX", "REGR_SXY", "REGR_SYY", "STDDEV", "STDDEV_POP", "STDDEV_SAMP", "STRING_AGG", "SUM",
    "VAR", "VAR_POP", "VAR_POPULATION", "VAR_SAMP", "VAR_SAMPLE",
))
# fmt: on

# Functions of one argument, which nobody calls so, stand for those that DataFusion lacks while names are asked for.
_PLAIN = {
    GAPFILL: "date_bin",
    WALLCLOCK: "date_bin",
    WALLCLOCK_GAPFILL: "date_bin",
    "LOCF": "least",
    "INTERPOLATE": "greatest",
}

# The time twice tells one function from the other.
_MARKS = {WALLCLOCK: "nullif", WALLCLOCK_GAPFILL: "coalesce"}
_MARKED = {
    name.lower(): re.compile(rf"date_bin\(((?:(?!date_bin\().)+?),{mark}\((.+?),\2\)") for name, mark in _MARKS.items()
}

_ONCE = "Error during planning: DATE_BIN_GAPFILL specified more than once"
_ONLY_GROUPED = "Error during planning: date_bin_gapfill may only be used as a GROUP BY expression"
_TOP_LEVEL = (
    "Error during planning: DATE_BIN_GAPFILL must be a top-level expression in the GROUP BY clause when gap filling. "
    "It cannot be part of another expression or cast"
)
_ONLY_SELECTED = "Error during planning: {} may only be used in the SELECT list of a gap-filling query"


def plain_text(sql: str) -> str:
    """Return ``sql`` without the filling of gaps; its columns have the names that ``original_name`` changes."""
    return replaced(Text.of(sql), dict.fromkeys(_PLAIN, _plainly))


def original_name(name: str, sql: str) -> str:
    """Return the name of a column in ``sql`` for the ``name`` that it has in the plain text."""
    for function, marked in _MARKED.items():
        name = marked.sub(rf"{function}(\1,\2", name)
    for function, plain in _PLAIN.items():
        if f"{plain.upper()}(" not in sql.upper():
            name = name.replace(f"{plain}(", f"{function.lower()}(")
    return name


def filled_text(sql: str, evaluate: Evaluate) -> str:
    """Return ``sql`` with each query that fills gaps written as plain SQL.

    Raises:
        QueryError: a function stands where it must not, or the times are not bounded.
        QueryNotSupported: the query has clauses that gaps cannot be filled with.
    """
    for _ in range(MOST_GAPFILLS):
        text = Text.of(sql)
        calls = [at for at in range(text.end) if text.tokens[at].text in GAPFILLS and text.is_call(at)]
        if not calls:
            break
        block = block_at(text, calls[-1])
        start, end = text.tokens[block.whole.start].start, text.tokens[block.whole.end - 1].end
        sql = sql[:start] + _Filling(block, evaluate).text() + sql[end:]
    else:
        raise QueryError(f"Error during planning: at most {MOST_GAPFILLS} queries of a statement may fill gaps")
    for at in range(text.end):
        if text.tokens[at].text in FILLS and text.is_call(at):
            raise QueryError(_ONLY_SELECTED.format(text.tokens[at].text.lower()))
    return sql


def _plainly(call: Call) -> str:
    mark = _MARKS.get(call.name.upper())
    if mark and len(call.arguments) > 1:
        interval, time, *origin = call.arguments
        return f"date_bin({', '.join([interval, f'{mark}({time}, {time})', *origin])})"
    return f"{_PLAIN[call.name.upper()]}({', '.join(call.arguments)})"


@dataclass(slots=True)
class _Columns:
    """What is asked of each group, by the name that its column gets: the expression, and what an empty bin has."""

    asked: dict[tuple[str, ...], tuple[str, str, str]] = field(default_factory=dict)
    fills: dict[str, tuple[str, str]] = field(default_factory=dict)

    def aggregate(self, text: Text, empty: str = "NULL") -> str:
        """Return the name of the column that has ``text``."""
        name = f"gap_value_{len(self.asked)}"
        return self.asked.setdefault(text.words, (name, str(text), empty))[0]

    def filled(self, how: str, text: Text) -> str:
        """Return the name of the column that has ``text``, filled by ``LOCF`` or ``INTERPOLATE``."""
        source = self.aggregate(text)
        name = f"{source}_{how.lower()}"
        self.fills[name] = (how, source)
        return name

    def sources(self) -> dict[str, set[str]]:
        """Return the columns that are filled, and how."""
        found: dict[str, set[str]] = {}
        for how, source in self.fills.values():
            found.setdefault(source, set()).add(how)
        return found


class _Filling:
    """Writes one query that fills gaps as plain SQL."""

    def __init__(self, block: Block, evaluate: Evaluate) -> None:
        self._block = block
        self._columns = _Columns()
        groups = [_resolved(part, block) for part in block.clause("GROUP").divided(",")]
        call = _call_among(groups)
        self._bin = GapBin.of_call(call)
        self._call = call.words
        self._keys = [group for group in groups if group is not call and group.words != call.words]
        self._key_names = [f"gap_key_{number}" for number in range(len(self._keys))]
        self._bins = self._bin.found(bounds_of(block.clause("WHERE"), self._bin.column), evaluate)
        self._most_groups = MOST_ROWS // max(self._bins.count, 1)

    def text(self) -> str:
        """Return the query as plain SQL."""
        block = self._block
        results = ", ".join(self._result(number, item) for number, item in enumerate(block.items))
        having = self._over_filled(block.clause("HAVING"))
        order = ", ".join(self._ordered(part) for part in block.clause("ORDER").divided(","))
        if not order and not block.is_in_set:
            order = ", ".join([*self._key_names, "gap_bin"])
        behind = "".join(
            f" {name} {block.clauses[name]}" for name in ("LIMIT", "OFFSET", "FETCH") if name in block.clauses
        )
        return (
            f"SELECT {results} FROM ({self._filled_rows()})"
            + (f" WHERE {having}" if having else "")
            + (f" ORDER BY {order}" if order else "")
            + behind
        )

    def _result(self, number: int, item: Item) -> str:
        name = item.alias or quote_identifier(name_of(item.expression) or f"gap result {number}")
        return f"{self._over_filled(item.expression)} AS {name}"

    def _ordered(self, part: Text) -> str:
        name, _ = path_at(part, part.start)
        results = {identifier(item.alias) for item in self._block.items if item.alias}
        return str(part) if name in results else self._over_filled(part)

    def _filled_rows(self) -> str:
        """Return the query of all bins of all groups; those without rows have nulls and counts of 0, but for the fills."""
        keys = ", ".join(self._key_names)
        window = f"OVER ({f'PARTITION BY {keys} ' if keys else ''}ORDER BY gap_index)"
        asked = self._columns.asked.values()
        values = [
            f"CASE WHEN gap_number = gap_index THEN {name} ELSE {empty} END AS {name}" for name, _, empty in asked
        ]
        fills = [f"{_FILL_TEXTS[how](source)} AS {name}" for name, (how, source) in self._columns.fills.items()]
        columns = [f"{self._bins.time_of('gap_number')} AS gap_bin", *self._key_names, *values, *fills]
        # A text that is no number is the way to fail while the query runs.
        refusal = f"CAST(concat('{TOO_MANY}', gap_groups, ' groups of {self._bins.count} bins') AS BIGINT)"
        start = (
            f"CASE WHEN gap_groups > {self._most_groups} THEN {refusal} WHEN gap_place = 1 THEN 0 ELSE gap_index END"
        )
        counted = f"SELECT *, sum(CASE WHEN gap_place = 1 THEN 1 ELSE 0 END) OVER () AS gap_groups FROM ({self._placed(window)})"
        numbers = f"unnest(range({start}, coalesce(gap_next, {self._bins.count})))"
        return f"SELECT {', '.join(columns)} FROM (SELECT *, {numbers} AS gap_number FROM ({counted}))"

    def _placed(self, window: str) -> str:
        """Return the query of the groups that have rows, with the bin of the next one and the values on either side."""
        sides = [
            f"{side}({what}) IGNORE NULLS {window} AS {source}_{name}"
            for source, hows in self._columns.sources().items()
            for side, what, name in _sides(source, hows)
        ]
        columns = ["*", f"row_number() {window} AS gap_place", f"lead(gap_index) {window} AS gap_next", *sides]
        numbered = f"SELECT *, {self._bins.number_of('gap_start')} AS gap_index FROM ({self._groups()})"
        return f"SELECT {', '.join(columns)} FROM ({numbered})"

    def _groups(self) -> str:
        """Return the query of the groups that have rows."""
        keys = [f"{text} AS {name}" for text, name in zip(self._keys, self._key_names, strict=True)]
        values = [f"{text} AS {name}" for name, text, _ in self._columns.asked.values()]
        selected = ", ".join([f"{self._bin.of(self._bin.source)} AS gap_start", *keys, *values])
        ordinals = ", ".join(str(number) for number in range(1, len(keys) + 2))
        block = self._block
        return f"SELECT {selected} FROM {block.clause('FROM')} WHERE {block.clause('WHERE')} GROUP BY {ordinals}"

    def _over_filled(self, text: Text) -> str:
        """Return an expression over groups as one over the filled rows."""
        pieces, at, copied = [], text.start, text.start
        while at < text.end:
            found = self._column_at(text, at)
            if found is None:
                inside = text.closing(at) if text.words[at - text.start :][:2] == ("(", "SELECT") else at
                at = inside + 1
                continue
            written, end = found
            pieces += [_between(text, copied, at), written]
            at = copied = end
        return "".join([*pieces, _between(text, copied, text.end)])

    def _column_at(self, text: Text, at: int) -> tuple[str, int] | None:
        """Return what is written for what stands at ``at``, and where that ends; ``None`` for what stays."""
        for words, written in self._known():
            if text.words[at - text.start :][: len(words)] == words and _is_whole(text, at, at + len(words)):
                return written, at + len(words)
        token = text.tokens[at]
        if text.is_call(at):
            end = text.closing(at + 1) + 1
            if token.text in GAPFILLS:
                raise QueryError(_ONCE)
            if token.text in FILLS:
                return self._columns.filled(token.text, text.part(at + 2, end - 1)), end
            if token.text in AGGREGATES:
                end = _end_of_aggregate(text, end)
                if text.part(end, min(end + 1, text.end)).words != ("OVER",):
                    empty = "0" if token.text == "COUNT" else "NULL"
                    return self._columns.aggregate(text.part(at, end), empty), end
            return None
        name, end = path_at(text, at) if at == text.start or text.tokens[at - 1].text != "." else ("", at)
        return next(((key, end) for key, group in self._named_keys() if name and name_of(group) == name), None)

    def _known(self) -> Iterator[tuple[tuple[str, ...], str]]:
        yield self._call, self._bin.zoned("gap_bin")
        yield from ((group.words, key) for key, group in self._named_keys() if name_of(group) is None)

    def _named_keys(self) -> Iterator[tuple[str, Text]]:
        yield from zip(self._key_names, self._keys, strict=True)


def _resolved(group: Text, block: Block) -> Text:
    """Return the expression that a GROUP BY expression means, which may be the number or the name of a result."""
    if len(group.words) == 1 and group.words[0].isdigit() and 0 < int(group.words[0]) <= len(block.items):
        return block.items[int(group.words[0]) - 1].expression
    name = name_of(group)
    named = [item.expression for item in block.items if item.alias and identifier(item.alias) == name]
    # A column comes before a result of the same name.
    return named[0] if named and name not in _names_in(named[0]) else group


def _names_in(expression: Text) -> set[str]:
    return {path_at(expression, at)[0] for at in range(expression.start, expression.end)}


def _call_among(groups: Sequence[Text]) -> Text:
    holding = [group for group in groups if GAPFILLS.intersection(group.words)]
    if not holding:
        raise QueryError(_ONLY_GROUPED)
    for group in holding:
        if (
            group.words[0] not in GAPFILLS
            or not group.is_call(group.start)
            or group.closing(group.start + 1) != group.end - 1
        ):
            raise QueryError(_TOP_LEVEL)
    if len({group.words for group in holding}) > 1:
        raise QueryError(_ONCE)
    return holding[0]


def _end_of_aggregate(text: Text, end: int) -> int:
    """Return where an aggregate ends whose parenthesis ends at ``end``: behind ``FILTER`` and other additions."""
    while end < text.end:
        words = text.part(end, min(end + 3, text.end)).words
        if words[:2] in (("IGNORE", "NULLS"), ("RESPECT", "NULLS")):
            end += 2
        elif words[:2] == ("FILTER", "("):
            end = text.closing(end + 1) + 1
        elif words == ("WITHIN", "GROUP", "("):
            end = text.closing(end + 2) + 1
        else:
            break
    return min(end, text.end)


def _is_whole(text: Text, start: int, end: int) -> bool:
    """Return whether the tokens ``[start, end)`` are no part of a longer name."""
    before = text.tokens[start - 1].text if start > text.start else ""
    behind = text.tokens[end].text if end < text.end else ""
    return before != "." and behind not in (".", "(")


def _between(text: Text, start: int, end: int) -> str:
    """Return the tokens ``[start, end)`` with the blanks around them."""
    if start >= end:
        return "" if end >= text.end or start == text.start else " "
    first = text.tokens[start].start if start == text.start else text.tokens[start - 1].end
    last = text.tokens[end - 1].end if end >= text.end else text.tokens[end].start
    return text.sql[first:last]


def _sides(source: str, hows: set[str]) -> Iterator[tuple[str, str, str]]:
    """Yield what is to be known of the values on either side: the window function, its argument, the end of its name."""
    yield "lag", source, "before"
    if "INTERPOLATE" in hows:
        place = f"CASE WHEN {source} IS NULL THEN NULL ELSE gap_index END"
        yield from (("lead", source, "behind"), ("lag", place, "before_at"), ("lead", place, "behind_at"))


def _carried(source: str) -> str:
    return f"CASE WHEN gap_number < gap_index THEN NULL ELSE coalesce({source}, {source}_before) END"


def _interpolated(source: str) -> str:
    before, behind = f"coalesce({source}, {source}_before)", f"{source}_behind"
    start = f"CASE WHEN {source} IS NULL THEN {source}_before_at ELSE gap_index END"
    weighted = f"{before} * ({behind}_at - gap_number) + {behind} * (gap_number - {start})"
    return (
        f"CASE WHEN gap_number = gap_index AND {source} IS NOT NULL THEN {source} WHEN gap_number < gap_index THEN NULL "
        f"ELSE ({weighted}) / ({behind}_at - {start}) END"
    )


_FILL_TEXTS: dict[str, Callable[[str], str]] = {"LOCF": _carried, "INTERPOLATE": _interpolated}
