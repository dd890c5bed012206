"""Says of a plan whether DataFusion could be kept from pausing in it."""

import re

_TIRELESS = re.compile(
    r"""^\s*(?:[\w\ ]*\bJoin|Unnest|Subquery|RecursiveQuery)\b
    |^\s*WindowAggr:.*\b(?:ROWS|GROUPS|RANGE)\ BETWEEN\ (?!UNBOUNDED\ PRECEDING\ AND\ (?:CURRENT\ ROW|UNBOUNDED\ FOLLOWING))
    |^\s*WindowAggr:.*\b(?:array_agg|string_agg)\(
    |\b(?:repeat|lpad|rpad|range|generate_series|array_repeat|list_repeat|array_resize|list_resize)\((?!\))""",
    re.VERBOSE | re.MULTILINE,
)


def is_tireless(plan: str) -> bool:
    """Return whether a query of this logical plan, as DataFusion shows it, might go on after it was ended.

    A plan ends where it waits for more of its input. Joins and what unfolds arrays make any number of rows from a few,
    frames of windows are gone through for each row, and some functions make large values: these may not wait for hours.
    What is not meant, such as a word in a literal, may be taken for it: that costs time, not safety.
    """
    return _TIRELESS.search(plan) is not None
