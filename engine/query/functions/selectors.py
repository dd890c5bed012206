"""Functions beyond DataFusion's that are other texts for what it has: selectors, ``tz`` and times in nanoseconds."""

import re
import zoneinfo
from collections.abc import Mapping
from functools import cache

from engine.errors import QueryError
from engine.query.functions import wallclock
from engine.query.functions.calls import Call, Rewrite
from engine.query.parameters import ParameterValue

_ORDERS = {
    "selector_first": "{time} ASC NULLS LAST",
    "selector_last": "{time} DESC NULLS LAST",
    "selector_min": "{value} ASC NULLS LAST, {time} ASC NULLS LAST",
    "selector_max": "{value} DESC NULLS LAST, {time} ASC NULLS LAST",
}
SELECTORS = frozenset(name.upper() for name in _ORDERS)

# Two or three blanks, which nobody writes, tell the casts of ``tz`` from others when results are named.
_ZONED = 'Timestamp(Nanosecond,  Some("{}"))'
_ALONE = 'Timestamp(Nanosecond,   Some("UTC"))'
_OFFSET = re.compile(r"[+-]\d\d:?\d\d|[+-]\d\d")
_TEXT = re.compile(r"'((?:[^']|'')*)'")


def rewrites(params: Mapping[str, ParameterValue], length_ns: wallclock.IntervalNs) -> dict[str, Rewrite]:
    """Return how each function is written for DataFusion, by its name in upper case.

    Args:
        params: the values of placeholders.
        length_ns: tells how long intervals are.
    """
    return {
        **dict.fromkeys(SELECTORS, _selector),
        "TZ": lambda call: _tz(call, params),
        wallclock.NAME: lambda call: wallclock.wallclock(call, length_ns),
        "TO_TIMESTAMP": lambda call: _with_filter(f"to_timestamp_nanos({', '.join(call.arguments)})", call),
    }


def original_name(name: str) -> str:
    """Return the name of a column as it is without the rewriting, for the ``name`` that DataFusion gives it."""
    for _ in range(name.count("named_struct(") + name.count("arrow_cast(")):
        shorter = _SELECTED.sub(_selector_name, name, count=1)
        shorter = _ZONED_TWICE.sub(r"tz(\1,Utf8(\2))", shorter, count=1)
        shorter = _ZONED_ONCE.sub(r"tz(\1)", shorter, count=1)
        if shorter == name:
            break
        name = shorter
    return name


def _selector(call: Call) -> str:
    if len(call.arguments) < 2:
        raise QueryError(
            f"Error during planning: {call.name} takes a value and a time, then further columns if wanted: "
            f"{len(call.arguments)} argument given"
        )
    value, time, *others = call.arguments
    if any("first_value(" in argument for argument in call.arguments):
        raise QueryError(f"Error during planning: calls of selectors cannot be nested: {call.name}(…)")
    order = _ORDERS[call.name].format(value=f"({value})", time=f"({time})")
    condition = f"({value}) IS NOT NULL" + (f" AND ({call.condition})" if call.condition else "")
    names = ["value", "time", *(f"other_{number}" for number in range(1, len(others) + 1))]
    members = [
        f"'{name}', first_value({argument} ORDER BY {order}) FILTER (WHERE {condition})"
        for name, argument in zip(names, call.arguments, strict=True)
    ]
    return f"named_struct({', '.join(members)})"


_MEMBER = r",Utf8\(\"{name}\"\),first_value\({value}\) FILTER \(WHERE (?P=condition)\) ORDER BY \[(?P=order)\]"
_SELECTED = re.compile(
    r"named_struct\(Utf8\(\"value\"\),first_value\((?P<value>.+?)\) "
    r"FILTER \(WHERE (?P<condition>(?P=value) IS NOT NULL(?: AND (?P<filter>.+?))?)\) ORDER BY \[(?P<order>.+?)\]"
    + _MEMBER.format(name="time", value="(?P<time>.+?)")
    + r"(?P<others>(?:"
    + _MEMBER.format(name=r"other_\d+", value=".+?")
    + r")*)\)"
)
_OTHER = re.compile(
    r",Utf8\(\"other_\d+\"\),first_value\((.+?)\) FILTER \(WHERE .*?\) ORDER BY \[.*?\](?=,Utf8\(\"other_|$)"
)


def _selector_name(found: re.Match[str]) -> str:
    value, time, order = found["value"], found["time"], found["order"]
    fits = [name for name, text in _ORDERS.items() if text.format(value=value, time=time) == order]
    if not fits:
        return found[0]
    others = "".join(f",{other}" for other in _OTHER.findall(found["others"]))
    behind = f" FILTER (WHERE {found['filter']})" if found["filter"] else ""
    return f"{fits[0]}({value},{time}{others}){behind}"


def _tz(call: Call, params: Mapping[str, ParameterValue]) -> str:
    if len(call.arguments) not in (1, 2):
        raise QueryError(
            f"Error during planning: tz takes a time and a time zone if wanted, not {len(call.arguments)} arguments"
        )
    time = call.arguments[0]
    if len(call.arguments) == 1:
        return f"arrow_cast({time}, '{_ALONE}')"
    zone = _zone(call.arguments[1], params)
    return f"arrow_cast(arrow_cast({time}, '{_ZONED.format('UTC')}'), '{_ZONED.format(zone)}')"


_ZONED_TWICE = re.compile(
    r"arrow_cast\(arrow_cast\((.+?),Utf8\(\"Timestamp\(Nanosecond,  Some\(\"UTC\"\)\)\"\)\),"
    r"Utf8\(\"Timestamp\(Nanosecond,  Some\((\"[^\"]*\")\)\)\"\)\)"
)
_ZONED_ONCE = re.compile(
    r"arrow_cast\(((?:(?!arrow_cast\().)+?),Utf8\(\"Timestamp\(Nanosecond,   Some\(\"UTC\"\)\)\"\)\)"
)


def _zone(argument: str, params: Mapping[str, ParameterValue]) -> str:
    """Return the time zone that ``argument`` names.

    Raises:
        QueryError: it is no literal or placeholder, or there is no such zone.
    """
    found = _TEXT.fullmatch(argument)
    zone = found[1].replace("''", "'") if found else params.get(argument[1:]) if argument.startswith("$") else None
    if isinstance(zone, str) and (_OFFSET.fullmatch(zone) or zone in _zones()):
        return zone
    told = zone if isinstance(zone, str) else argument
    raise QueryError(f'Error during planning: TZ requires a valid timezone string, got "{told}"')


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _with_filter(text: str, call: Call) -> str:
    return text if call.condition is None else f"{text} FILTER (WHERE {call.condition})"
