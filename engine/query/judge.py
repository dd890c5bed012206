"""Says of a plan what DataFusion does with it: whether it could be kept from pausing, whether it holds memory."""

import re

_TIRELESS = re.compile(
    r"""^\s*(?:[\w\ ]*\bJoin|Unnest|Subquery|RecursiveQuery)\b
    |^\s*WindowAggr:.*\b(?:ROWS|GROUPS|RANGE)\ BETWEEN\ (?!UNBOUNDED\ PRECEDING\ AND\ (?:CURRENT\ ROW|UNBOUNDED\ FOLLOWING))
    |^\s*WindowAggr:.*\b(?:array_agg|string_agg)\(
    |\b(?:repeat|lpad|rpad|range|generate_series|array_repeat|list_repeat|array_resize|list_resize)\((?!\))""",
    re.VERBOSE | re.MULTILINE,
)


_SUSPECTS = ("Join", "Unnest", "Subquery", "Recursive", "Window", "repeat", "pad(", "range(", "series(", "resize(")
"""One of these is in each plan in which ``_TIRELESS`` is found, which takes longer to look for."""

_HOLDING = re.compile(
    r"""^\s*(?:Sort|WindowAggr|Distinct|[\w\ ]*\bJoin|Subquery|RecursiveQuery|Unnest)\b
    |^\s*Aggregate:\ groupBy=\[\[[^\]]
    |^\s*Aggregate:.*(?:\b(?:array_agg|string_agg|median|quantile_cont|percentile_cont)\(|DISTINCT)""",
    re.VERBOSE | re.MULTILINE,
)


_MIXING = re.compile(r"^\s*(?:Union|RecursiveQuery)\b", re.MULTILINE)


def mixes_sources(plan: str) -> bool:
    """Return whether batches of this logical plan come from several sources, whose columns may differ in metadata."""
    return _MIXING.search(plan) is not None


def holds_memory(plan: str) -> bool:
    """Return whether a query of this logical plan keeps more of its rows in memory the more there are.

    It does not if it passes rows on, or makes one row of all; of those that do some keep little.
    """
    return _HOLDING.search(plan) is not None


def is_tireless(plan: str) -> bool:
    """Return whether a query of this logical plan, as DataFusion shows it, might go on after it was ended.

    A plan ends where it waits for more of its input. Joins and what unfolds arrays make any number of rows from a few,
    frames of windows are gone through for each row, and some functions make large values: these may not wait for hours.
    What is not meant, such as a word in a literal, may be taken for it: that costs time, not safety.
    """
    return any(suspect in plan for suspect in _SUSPECTS) and _TIRELESS.search(plan) is not None
