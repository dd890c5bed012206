"""The options of a trigger in one table: their words in requests, in the catalog's file and on the command line."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from engine.errors import InvalidRequest
from engine.model.durations import NS_PER_SECOND, format_duration, parse_duration
from engine.model.sizes import MEGABYTE, parse_size
from engine.model.trigger import Isolation, Misfire, Restore, TriggerDefinition
from engine.model.trigger_spec import LONGEST_PERIOD_NS, CronSpec, format_trigger_spec, run_kind
from engine.model.zones import load_zone

LEAST_MEMORY_BYTES = 64 * MEGABYTE
"""A plugin host that has loaded nothing of a plugin's takes most of it."""

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_COUNT = re.compile(r"[0-9]{1,18}")
_NS_PER_US = 1_000
_EVERY_KIND = frozenset({"wal", "schedule", "request"})

Value = str | int | float | Enum


@dataclass(frozen=True, slots=True)
class TriggerOption:
    """One option of a trigger; nobody need give it.

    Attributes:
        name: its word in requests, with its unit: ``max_memory_bytes``.
        key: its word in the catalog's file and, with ``-`` for ``_``, on the command line: ``max_memory``.
        group: the attribute of ``TriggerDefinition`` that holds it as ``attribute``; empty = the definition itself.
        kind: what a request holds: a number or a word.
        check: returns the value that a word or a number stands for, raises ``ValueError`` that says what is allowed.
        read: returns the word or number that a text stands for, raises ``ValueError`` likewise.
        write: returns a text that ``read`` understands.
        kinds: the kinds of triggers that may have it.
        placeholder: what stands for the value in a help text.
        choices: the words that are allowed; none = other values are.
    """

    name: str
    key: str
    group: str
    attribute: str
    kind: type
    check: Callable[[Any], Value]
    read: Callable[[str], str | int | float]
    write: Callable[[Any], str]
    placeholder: str
    help: str
    kinds: frozenset[str] = _EVERY_KIND
    choices: tuple[str, ...] = ()

    def of(self, definition: TriggerDefinition) -> Value | None:
        """Return the option's value in ``definition``, ``None`` = it is not set."""
        holder = getattr(definition, self.group) if self.group else definition
        value: Value | None = getattr(holder, self.attribute)
        return value

    def plain(self, definition: TriggerDefinition) -> str | int | float | None:
        """Return the option's value as requests have it."""
        value = self.of(definition)
        return value.value if isinstance(value, Enum) else value

    def text(self, definition: TriggerDefinition) -> str | None:
        """Return the option's value as people write it."""
        value = self.plain(definition)
        return None if value is None else self.write(value)

    def put(self, definition: TriggerDefinition, value: object) -> TriggerDefinition:
        """Return ``definition`` with the value that the word or number ``value`` stands for; ``None`` takes it out.

        Raises:
            InvalidRequest: the value is not allowed.
        """
        try:
            stored: Any = None if value is None else self.check(value)
        except ValueError as error:
            raise InvalidRequest(f"invalid configuration provided: {self.name} {value!r}: {error}") from error
        if not self.group:
            return replace(definition, **{self.attribute: stored})
        holder: Any = replace(getattr(definition, self.group), **{self.attribute: stored})
        return replace(definition, **{self.group: holder})


def with_options(definition: TriggerDefinition, values: Mapping[str, object]) -> TriggerDefinition:
    """Return ``definition`` with ``values``, by the words that requests have for options.

    Raises:
        InvalidRequest: a value is not allowed.
    """
    for option in OPTIONS:
        if option.name in values:
            definition = option.put(definition, values[option.name])
    return definition


def check_options(definition: TriggerDefinition) -> None:
    """Accept options that suit the kind of their trigger, and each other.

    Raises:
        InvalidRequest: the text names the option and what it is for.
    """
    spec, kind = format_trigger_spec(definition.spec), run_kind(definition.spec)
    for option in OPTIONS:
        if option.of(definition) is not None and kind not in option.kinds:
            allowed = " and ".join(sorted(option.kinds))
            raise _refusal(f"{option.name} is for {allowed} triggers, and {spec!r} makes a {kind} trigger")
    if definition.schedule.timezone is not None and not isinstance(definition.spec, CronSpec):
        raise _refusal(f"timezone is for cron: triggers; {spec!r} is due at the same times in every zone")
    if definition.schedule.misfire_window_s is not None and definition.schedule.misfire in (None, Misfire.SKIP):
        raise _refusal("misfire_window_s says which missed runs are caught up, so it needs misfire once or all")


def seconds(text: str) -> float:
    """Return the seconds that ``text`` states: a number of them, or a duration such as ``1m 30s``.

    Raises:
        ValueError: the text says what is allowed.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        return parse_duration(text) / NS_PER_SECOND
    except ValueError as error:
        raise ValueError(f"not a number of seconds above 0, nor a duration such as 30s: {error}") from error


def _checked_seconds(value: Any) -> float:
    """Return whole microseconds, at least one and at most a year."""
    ns = round(value * NS_PER_SECOND) if math.isfinite(value) else 0
    if not _NS_PER_US <= ns <= LONGEST_PERIOD_NS:
        raise ValueError("not a number of seconds above 0 and at most a year")
    return ns // _NS_PER_US / 1e6


def _seconds_text(value: float) -> str:
    return format_duration(round(value * NS_PER_SECOND))


def _checked_memory(value: Any) -> int:
    if not LEAST_MEMORY_BYTES <= value < 2**62:
        raise ValueError(f"a plugin host needs at least {LEAST_MEMORY_BYTES} bytes (64mb)")
    return int(value)


def _memory_text(value: int) -> str:
    return f"{value // MEGABYTE}mb" if value % MEGABYTE == 0 else str(value)


def _checked_rows(value: Any) -> int:
    if not 1 <= value < 2**62:
        raise ValueError("not a number of rows above 0")
    return int(value)


def _rows(text: str) -> int:
    if not _COUNT.fullmatch(text.strip()):
        raise ValueError("not a whole number of rows above 0")
    return int(text)


def _checked_zone(value: Any) -> str:
    load_zone(value)  # whether the zone exists is asked here alone, so that everybody else may rely on it
    return str(value)


def _duration(name: str, group: str, placeholder: str, help_text: str, *kinds: str) -> TriggerOption:
    key = name.removesuffix("_s")
    return TriggerOption(
        name,
        key,
        group,
        name,
        float,
        _checked_seconds,
        seconds,
        _seconds_text,
        placeholder,
        help_text,
        frozenset(kinds) or _EVERY_KIND,
    )


def _choice(name: str, place: tuple[str, str], words: type[Enum], help_text: str, *kinds: str) -> TriggerOption:
    allowed = [word.value for word in words]

    def check(value: Any) -> Enum:
        if value not in allowed:
            raise ValueError(f"must be {', '.join(allowed[:-1])} or {allowed[-1]}")
        return words(value)

    group, attribute = place
    return TriggerOption(
        name,
        name,
        group,
        attribute,
        str,
        check,
        str,
        str,
        "|".join(allowed),
        help_text,
        frozenset(kinds) or _EVERY_KIND,
        tuple(allowed),
    )


def _refusal(text: str) -> InvalidRequest:
    return InvalidRequest(f"invalid configuration provided: {text}")


OPTIONS: tuple[TriggerOption, ...] = (
    _duration("timeout_s", "limits", "SECONDS", "End a run that takes longer."),
    TriggerOption(
        "max_memory_bytes",
        "max_memory",
        "limits",
        "max_memory_bytes",
        int,
        _checked_memory,
        parse_size,
        _memory_text,
        "BYTES",
        "Memory of the trigger's plugin host, which is then its own: bytes, or a size such as 512mb.",
    ),
    _duration(
        "max_cpu_s", "limits", "SECONDS", "End a run that uses more CPU time; the trigger has a plugin host of its own."
    ),
    TriggerOption(
        "max_rows_per_run",
        "max_rows_per_run",
        "limits",
        "max_rows_per_run",
        int,
        _checked_rows,
        _rows,
        str,
        "ROWS",
        "Most rows that a run is given; a single write is never cut.",
        frozenset({"wal"}),
    ),
    _choice(
        "isolation", ("", "isolation"), Isolation, "Run in the plugin host that is shared, or in one for this trigger."
    ),
    TriggerOption(
        "timezone",
        "timezone",
        "schedule",
        "timezone",
        str,
        _checked_zone,
        str,
        str,
        "ZONE",
        "Time zone of a cron: trigger, such as Europe/Berlin.",
        frozenset({"schedule"}),
    ),
    _choice(
        "misfire",
        ("schedule", "misfire"),
        Misfire,
        "Runs that were missed, by down time or by a run that took too long: none of them, the newest once, all. Without "
        "it down time is not caught up, and late runs follow one another.",
        "schedule",
    ),
    _duration("misfire_window_s", "schedule", "DURATION", "Missed runs that are older are not caught up.", "schedule"),
    _duration(
        "jitter_s",
        "schedule",
        "DURATION",
        "Begin up to so much later than due, always by the same delay, so that triggers due at once spread.",
        "schedule",
    ),
    _choice(
        "restore_state",
        ("", "restore"),
        Restore,
        "What of the plugin's cache comes back after a restart: all or nothing, what can, nothing.",
    ),
)
"""All options, in the order in which they are shown."""

BY_KEY: Mapping[str, TriggerOption] = {option.key: option for option in OPTIONS}
