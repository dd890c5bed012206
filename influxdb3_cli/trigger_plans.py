"""What has to be done so that a server has the triggers that a file declares; and how that is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.model.toml_layout import quote_key
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_keys import KEYS, TriggerKey, toml_value
from influxdb3_cli.plugin_plans import Sending
from influxdb3_cli.texts import quote
from influxdb3_cli.trigger_files import Triggers, entry_lines

_ARGUMENTS = "arguments"
_ENABLED = "enabled"
_NOTHING = "none"
_NOTES = {
    "spec": "the trigger begins anew: its progress and its cache go",
    "enabled": "while it is off, nothing is kept for it",
}
"""What a change of a key leads to besides."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A value that changes, as a file has it; ``None`` = the key is left out."""

    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Addition:
    """A trigger that the server lacks."""

    database: str
    trigger: TriggerDefinition


@dataclass(frozen=True, slots=True)
class Alteration:
    """A trigger that the server has, but otherwise than declared."""

    database: str
    before: TriggerDefinition
    trigger: TriggerDefinition

    @property
    def keys(self) -> list[TriggerKey]:
        """Return the keys whose values differ; the order of arguments does not count."""
        return [key for key in KEYS if key.plain(self.before) != key.plain(self.trigger)]

    @property
    def changes(self) -> list[KeyChange]:
        """Return what differs, an argument at a time."""
        return [change for key in self.keys for change in _key_changes(key, self.before, self.trigger)]

    def as_request(self) -> dict[str, Any]:
        """Return what a request to change the trigger names; whether it is enabled is not among it."""
        request = {k.request: k.plain(self.trigger) for k in self.keys if not k.is_setting and k.key != _ENABLED}
        settings = {k.request: k.plain(self.trigger) for k in self.keys if k.is_setting}
        return request | ({"trigger_settings": settings} if settings else {})


@dataclass(frozen=True, slots=True)
class Removal:
    """A trigger that the server has in a declared database, and the file has not."""

    database: str
    trigger: TriggerDefinition


@dataclass(frozen=True, slots=True)
class Stray:
    """A trigger that the server has in a declared database and the file has not, and that stays."""

    database: str
    trigger: TriggerDefinition


Step = Addition | Alteration | Removal


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        sendings: plugins that go to the server before anything else.
        new_databases: names of databases that the server lacks; they are made next.
        steps: what is to be done to triggers, by database and name.
        unchanged: triggers that are as declared.
        strays: triggers in declared databases that are not declared, and stay.
    """

    sendings: tuple[Sending, ...]
    new_databases: tuple[str, ...]
    steps: tuple[Step, ...]
    unchanged: int
    strays: tuple[Stray, ...]

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is to be done."""
        return not (self.sendings or self.new_databases or self.steps)

    @property
    def removals(self) -> list[Removal]:
        """Return the triggers that go."""
        return [step for step in self.steps if isinstance(step, Removal)]


def make_plan(wanted: Triggers, present: Triggers, *, prune: bool, sendings: tuple[Sending, ...] = ()) -> Plan:
    """Return what makes the triggers of a server, ``present``, those that are ``wanted``.

    Databases that are not in ``wanted`` do not count. In the others, triggers that are not wanted are removed with
    ``prune``, else left alone.
    """
    steps: list[Step] = []
    strays: list[Stray] = []
    unchanged = 0
    for database, declared in sorted(wanted.items()):
        there = {trigger.name: trigger for trigger in present.get(database, ())}
        names = {trigger.name: trigger for trigger in declared}
        for name in sorted(there.keys() | names.keys()):
            if name not in names:
                if prune:
                    steps.append(Removal(database, there[name]))
                else:
                    strays.append(Stray(database, there[name]))
            elif name not in there:
                steps.append(Addition(database, names[name]))
            elif (step := Alteration(database, there[name], names[name])).keys:
                steps.append(step)
            else:
                unchanged += 1
    missing = tuple(sorted(wanted.keys() - present.keys()))
    return Plan(sendings, missing, tuple(steps), unchanged, tuple(strays))


def describe_plan(plan: Plan) -> Iterator[str]:
    """Yield the lines that tell a plan."""
    for sending in plan.sendings:
        yield f"plugin {quote(sending.plugin)} is sent" + (": the server's differs" if sending.user else "")
    told = (*plan.steps, *plan.strays)
    for database in sorted({*plan.new_databases, *(step.database for step in told)}):
        new = ", which is new" if database in plan.new_databases else ""
        yield f"database {quote(database)}{new}"
        for step in told:
            if step.database == database:
                yield from (f"  {line}" for line in _describe(step))
    if plan.is_empty:
        yield f"Nothing to do: {plan.unchanged} unchanged."
        return
    kinds = [type(step) for step in plan.steps]
    sent = f"{len(plan.sendings)} to send, " if plan.sendings else ""
    yield (
        f"Plan: {sent}{kinds.count(Addition)} to add, {kinds.count(Alteration)} to change, {kinds.count(Removal)} to remove, "
        f"{plan.unchanged} unchanged."
    )


def name_of(step: Step) -> str:
    """Return how messages call the trigger of ``step``."""
    return f"trigger {quote(step.trigger.name)} of database {quote(step.database)}"


def done_word(step: Step) -> str:
    """Return what has become of the trigger when ``step`` is done."""
    return {Addition: "added", Alteration: "changed", Removal: "removed"}[type(step)]


def _describe(step: Step | Stray) -> Iterator[str]:
    name = f"trigger {quote(step.trigger.name)}"
    match step:
        case Addition():
            yield f"+ {name}"
            yield from (f"    {line}" for line in entry_lines(step.trigger))
        case Alteration():
            yield f"~ {name}"
            for change in step.changes:
                yield f"    {change.key}: {change.old or _NOTHING} → {change.new or _NOTHING}{_note(change)}"
        case Removal():
            yield f"- {name}"
        case Stray():
            yield f"  {name}: not in the file, left alone; --prune removes it"


def _note(change: KeyChange) -> str:
    is_switched_on = change.key == _ENABLED and change.new == toml_value(True)
    return f"  ({_NOTES[change.key]})" if change.key in _NOTES and not is_switched_on else ""


def _key_changes(key: TriggerKey, before: TriggerDefinition, after: TriggerDefinition) -> Iterator[KeyChange]:
    old, new = before.arguments, after.arguments
    if key.key != _ARGUMENTS or not old or not new:
        yield KeyChange(key.key, key.text(before), key.text(after))
        return
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield KeyChange(f"{_ARGUMENTS}.{quote_key(name)}", _text(old.get(name)), _text(new.get(name)))


def _text(value: str | None) -> str | None:
    return None if value is None else toml_value(value)
