"""What makes a trigger run: ``table:``, ``all_tables``, ``cron:``, ``every:``, ``request:``."""

import json
import re
from dataclasses import dataclass
from typing import Literal

from engine.errors import TriggerSpecError
from engine.model.cron import cron_reading, parse_cron
from engine.model.durations import NS_PER_SECOND, format_duration, parse_duration

RunKind = Literal["wal", "schedule", "request"]

LONGEST_PERIOD_NS = 31_557_600 * NS_PER_SECOND  # a year of 365.25 days
SHORTEST_PERIOD_NS = 1_000_000

_FORMS = (
    "expect one of the following forms: 'table:<TABLE_NAME>', 'all_tables', 'cron:<CRON_EXPRESSION>', "
    "'every:<DURATION>', or 'request:<PATH>'"
)


@dataclass(frozen=True, slots=True)
class TableSpec:
    """Runs on rows of one table, which need not exist yet."""

    table: str


@dataclass(frozen=True, slots=True)
class AllTablesSpec:
    """Runs on rows of every table of its database."""


@dataclass(frozen=True, slots=True)
class CronSpec:
    """Runs by a cron expression; ``text`` is the expression as it was typed."""

    text: str


@dataclass(frozen=True, slots=True)
class EverySpec:
    """Runs at the multiples of ``period_ns`` since the epoch."""

    period_ns: int


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """Runs on HTTP requests for ``/api/v3/engine/<path>``."""

    path: str


TriggerSpec = TableSpec | AllTablesSpec | CronSpec | EverySpec | RequestSpec


# A prefix may stand there several times, blanks between; behind the alias ``path:`` its meaning, ``request:``, goes
# too, so that what is kept reads back as itself.
_PREFIXED = re.compile(
    r"""(?: (?P<prefix>table:|cron:|every:|request:) \s* (?:(?P=prefix)\s*)*
          | path: \s* (?:path:\s*)* (?:request:\s*)*
        )
        (?P<rest>.*)""",
    re.DOTALL | re.VERBOSE,
)


def parse_trigger_spec(text: str) -> TriggerSpec:
    """Return the specification that ``text`` states; blanks around it and a repeated prefix do not count.

    ``path:`` is an alias of ``request:``, which is what is kept.

    Raises:
        TriggerSpecError: the text is the product's.
    """
    spec = text.strip()
    if spec == "all_tables":
        return AllTablesSpec()
    prefixed = _PREFIXED.fullmatch(spec)
    if not prefixed:
        raise _refusal(spec, _FORMS)
    rest = prefixed["rest"]
    match prefixed["prefix"]:
        case "table:":
            return TableSpec(_required(spec, rest, "table name is empty"))
        case "cron:":
            return _parse_cron_spec(spec, rest)
        case "every:":
            return _parse_every_spec(spec, rest)
        case _:
            return RequestSpec(_required(spec, rest))


def _required(spec: str, rest: str, context: str | None = None) -> str:
    if not rest:
        raise _refusal(spec, context)
    return rest


def _parse_cron_spec(spec: str, expression: str) -> CronSpec:
    try:
        parse_cron(expression)
    except ValueError as error:
        raise _refusal(spec) from error
    return CronSpec(expression)


def _parse_every_spec(spec: str, duration: str) -> EverySpec:
    try:
        period_ns = parse_duration(duration)
    except ValueError as error:
        raise _refusal(spec, "couldn't parse to duration") from error
    if period_ns < SHORTEST_PERIOD_NS:
        raise _refusal(spec, "couldn't parse to duration")
    if period_ns > LONGEST_PERIOD_NS:
        raise _refusal(spec, "don't support every schedules of over 1 year")
    return EverySpec(period_ns)


def _refusal(spec: str, context: str | None = None) -> TriggerSpecError:
    text = f"failed to parse trigger from {spec}"
    return TriggerSpecError(f"{text}: {context}" if context else text)


def format_trigger_spec(spec: TriggerSpec) -> str:
    """Return the canonical text of ``spec``, which ``parse_trigger_spec`` reads back: ``every:1m 30s``."""
    match spec:
        case TableSpec(table):
            return f"table:{table}"
        case AllTablesSpec():
            return "all_tables"
        case CronSpec(text):
            return f"cron:{text}"
        case EverySpec(period_ns):
            return f"every:{format_duration(period_ns)}"
        case RequestSpec(path):
            return f"request:{path}"


def spec_as_json(spec: TriggerSpec) -> str:
    """Return ``spec`` as ``system.processing_engine_triggers`` shows it: compact JSON."""
    return json.dumps(_json_value(spec), separators=(",", ":"), ensure_ascii=False)


def _json_value(spec: TriggerSpec) -> object:
    match spec:
        case TableSpec(table):
            return {"single_table_wal_write": {"table_name": table}}
        case AllTablesSpec():
            return "all_tables_wal_write"
        case CronSpec(text):
            return {"schedule": {"schedule": text}}
        case EverySpec(period_ns):
            secs, nanos = divmod(period_ns, NS_PER_SECOND)
            return {"every": {"duration": {"secs": secs, "nanos": nanos}}}
        case RequestSpec(path):
            return {"request_path": {"path": path}}


def reading_note(spec: TriggerSpec) -> str | None:
    """Return how ``spec`` is understood where its author may mean something else, else ``None``.

    To be said once, in the answer that creates the trigger and in the log.
    """
    return cron_reading(spec.text) if isinstance(spec, CronSpec) else None


def run_kind(spec: TriggerSpec) -> RunKind:
    """Return what kind of run ``spec`` leads to."""
    match spec:
        case TableSpec() | AllTablesSpec():
            return "wal"
        case CronSpec() | EverySpec():
            return "schedule"
        case RequestSpec():
            return "request"


def plugin_type_name(spec: TriggerSpec) -> str:
    """Return the product's name of the kind of plugin that ``spec`` needs."""
    return _PLUGIN_TYPES[run_kind(spec)]


def entry_function(kind: RunKind) -> str:
    """Return the name of the function that a run of ``kind`` calls."""
    return _ENTRY_FUNCTIONS[kind]


_PLUGIN_TYPES: dict[RunKind, str] = {"wal": "WalRows", "schedule": "Schedule", "request": "Request"}
_ENTRY_FUNCTIONS: dict[RunKind, str] = {
    "wal": "process_writes",
    "schedule": "process_scheduled_call",
    "request": "process_request",
}
