"""Plans statements that call functions which DataFusion lacks: by another text, with the names of the original one."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.query.failures import planning
from engine.query.functions import gapfill
from engine.query.functions.calls import Text, replaced
from engine.query.functions.selectors import original_name, rewrites
from engine.query.functions.wallclock import NS_PER_DAY
from engine.query.parameters import ParameterValue
from engine.query.sql_text import quote_identifier

if TYPE_CHECKING:
    from datafusion import DataFrame

FUNCTIONS = (
    *("selector_first", "selector_last", "selector_min", "selector_max", "tz", "to_timestamp"),
    *("date_bin_wallclock", "date_bin_gapfill", "date_bin_wallclock_gapfill", "locf", "interpolate"),
)
"""Functions that DataFusion lacks, or understands in another way."""

_SPECIAL = re.compile(rf"\b(?:{'|'.join(FUNCTIONS)})\b", re.IGNORECASE)
_GAPS = re.compile(r"\b(?:date_bin_gapfill|date_bin_wallclock_gapfill|locf|interpolate)\b", re.IGNORECASE)

_WALLCLOCK = re.compile(r"\bdate_bin_wallclock\b", re.IGNORECASE)

Plan = Callable[[str], "DataFrame"]


def fills_gaps(sql: str) -> bool:
    """Return whether ``sql`` may fill gaps."""
    return _GAPS.search(sql) is not None


def planned(sql: str, params: Mapping[str, ParameterValue], plan: Plan, *, leaves_gaps: bool = False) -> "DataFrame":
    """Return the plan that ``plan`` makes of ``sql``, with the functions that it may call written for DataFusion.

    If it ``leaves_gaps``, there is nothing in it but what ``sql`` asks itself.

    Raises:
        QueryError: a function is called in a way that is not allowed.
    """
    if not _SPECIAL.search(sql):
        return plan(sql)

    def written(text: str) -> str:
        return replaced(Text.of(text), rewrites(params, lambda interval: _length_ns(interval, plan)))

    def plan_written(text: str) -> "DataFrame":
        return plan(written(text))

    def named(name: str) -> str:
        original = original_name(name)
        return original if "to_timestamp_nanos" in sql else original.replace("to_timestamp_nanos(", "to_timestamp(")

    if leaves_gaps:
        return plan_written(gapfill.plain_text(sql))
    text, names = sql, None
    if _GAPS.search(sql):
        text = gapfill.filled_text(sql, lambda query: _rows(plan_written(query)))
    if text != sql or _WALLCLOCK.search(sql):
        written(sql)  # what is wrong is told of what was asked, not of what stands for it
        names = [gapfill.original_name(name, sql) for name in plan_written(gapfill.plain_text(sql)).schema().names]
    frame = plan_written(text)
    given = frame.schema().names
    for name, asked in zip(given, given if names is None else names, strict=True):
        original = named(asked)
        if original != name:
            frame = frame.with_column_renamed(quote_identifier(name), original)
    return frame


def _rows(frame: "DataFrame") -> pa.Table:
    with planning():
        return frame.to_arrow_table()


def _length_ns(interval: str, plan: Plan) -> int | None:
    """Return how long ``interval`` is, ``None`` for months and years."""
    length = _rows(plan(f"SELECT CAST({interval} AS INTERVAL) AS length"))["length"][0].as_py()
    if length is None or length.months:
        return None
    return int(length.days * NS_PER_DAY + length.nanoseconds)
