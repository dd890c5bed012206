"""Between which times gaps are filled, as the conditions of a query say."""

from dataclasses import dataclass

from engine.errors import QueryError
from engine.query.functions.calls import Text
from engine.query.functions.gap_block import path_at

_MISSING = "Error during planning: gap-filling query is missing {}"
_SCALAR = "Error during planning: {} time bound for gap fill query must evaluate to a scalar"
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "="}
_UNITS = {"YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND"}
_SCALAR_WORDS = {"INTERVAL", "TIMESTAMP", "DATE", "TIME", "AS", "NULL", "AT", "ZONE", "WITH", "WITHOUT"} | {
    unit + plural for unit in _UNITS for plural in ("", "S")
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The first and the last time, both included, as expressions of SQL."""

    lower: str
    upper: str


def bounds_of(where: Text, time: str) -> Bounds:
    """Return the times that the conditions ``where`` leave of the column ``time``.

    Raises:
        QueryError: there is no lower or upper bound, or it is not the same for all rows.
    """
    lower, upper = [], []
    for condition in _conditions(where):
        for operator, value in _compared(condition, time):
            if operator in (">", ">=", "="):
                lower.append(_bound(value, "lower", " + INTERVAL '1 nanosecond'" if operator == ">" else ""))
            if operator in ("<", "<=", "="):
                upper.append(_bound(value, "upper", " - INTERVAL '1 nanosecond'" if operator == "<" else ""))
    if not lower or not upper:
        what = "lower time bound" if upper else "upper time bound" if lower else "both upper and lower time bounds"
        raise QueryError(_MISSING.format(what))
    return Bounds(f"greatest({', '.join(lower)})", f"least({', '.join(upper)})")


def _conditions(where: Text) -> list[Text]:
    """Return the conditions that must all hold."""
    if where.start < where.end and where.words[0] == "(" and where.closing(where.start) == where.end - 1:
        return _conditions(where.part(where.start + 1, where.end - 1))
    top = where.at_depth_zero()
    if any(where.tokens[at].text == "OR" for at in top):
        return []
    cuts, in_between = [], False
    for at in top:
        word = where.tokens[at].text
        if word == "AND" and not in_between:
            cuts.append(at)
        in_between = word == "BETWEEN" or (in_between and word != "AND")
    parts = zip((where.start, *(cut + 1 for cut in cuts)), (*cuts, where.end), strict=True)
    found = [where.part(start, end) for start, end in parts]
    return found if len(found) == 1 else [inner for part in found for inner in _conditions(part)]


def _compared(condition: Text, time: str) -> list[tuple[str, Text]]:
    """Return with what ``condition`` compares the column ``time``, and how."""
    name, end = path_at(condition, condition.start)
    if name == time and condition.tokens[end].text == "BETWEEN" if end < condition.end else False:
        both = condition.part(end + 1, condition.end).divided("AND")
        return list(zip((">=", "<="), both, strict=True)) if len(both) == 2 else []
    for at in condition.at_depth_zero():
        operator, behind = _operator(condition, at)
        if operator:
            left, right = condition.part(condition.start, at), condition.part(behind, condition.end)
            if path_at(left, left.start) == (time, left.end):
                return [(operator, right)]
            if path_at(right, right.start) == (time, right.end):
                return [(_MIRRORED[operator], left)]
            return []
    return []


def _operator(text: Text, at: int) -> tuple[str, int]:
    """Return the comparison at ``at``, and where it ends; anything else is an empty text."""
    first = text.tokens[at].text
    if first not in ("<", ">", "=", "!"):
        return "", at
    second = text.tokens[at + 1].text if at + 1 < text.end else ""
    operator = first + second if second in ("=", ">", "<", "~") else first
    return (operator, at + len(operator)) if operator in _MIRRORED else ("", at)


def _bound(value: Text, which: str, more: str) -> str:
    for at in range(value.start, value.end):
        token = value.tokens[at]
        before = value.tokens[at - 1].text if at > value.start else ""
        is_name = token.kind == "word" and token.text not in _SCALAR_WORDS and before not in ("AS", ":", "::")
        is_call = at + 1 < value.end and value.tokens[at + 1].text == "("
        if token.kind == "quoted" or token.text == "SELECT" or (is_name and not is_call):
            raise QueryError(_SCALAR.format(which))
    return f"(CAST(({value}) AS TIMESTAMP){more})"
