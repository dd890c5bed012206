"""Files that declare triggers: the text to the triggers of each database, triggers to a text."""

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from engine.errors import CatalogEditRefused, DatabaseNameError, InvalidRequest
from engine.model.names import check_database_name
from engine.model.toml_layout import header
from engine.model.toml_reader import Source, TableReader, parse_source
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_entry import TRIGGER_KEYS, read_definition
from engine.model.trigger_keys import KEYS, TriggerKey, toml_value, trigger_from_plain
from influxdb3_cli.errors import AnswerUnusable

Triggers = Mapping[str, tuple[TriggerDefinition, ...]]
"""The triggers of databases, by name, sorted; their ids do not count and are 0."""

INTERNAL = "_internal"

_DATABASES = "databases"
_TRIGGERS = "triggers"
_FORM = header((_DATABASES, "NAME", _TRIGGERS, "TRIGGER"))
_WIDTH = 118
_INDENT = 22


def parse_triggers(data: bytes, name: str) -> Triggers:
    """Return what the file with the content ``data`` declares; ``name`` is what messages call it.

    Raises:
        CatalogEditRefused: it cannot be read; the text names file, line and reason.
    """
    source, values = parse_source(data, name)
    top = TableReader(source, (), "a file for apply", values)
    top.allow((_DATABASES,))
    databases = _tables(source, (_DATABASES,), values.get(_DATABASES, {}))
    found = {name: _read_database(source, name, below) for name, below in databases}
    if not found:
        raise CatalogEditRefused(f"{name}, line 1: the file declares no trigger; one begins with {_FORM}")
    return dict(sorted(found.items()))


def triggers_of(catalog: Mapping[str, Any]) -> Triggers:
    """Return the triggers that a server has, by its description of its catalog; databases without triggers too.

    Raises:
        AnswerUnusable: it is no such description.
    """
    try:
        found = {
            database["name"]: tuple(sorted(map(trigger_from_plain, database["triggers"]), key=lambda t: t.name))
            for database in catalog["databases"]
            if not database["deleted"] and database["name"] != INTERNAL
        }
    except (KeyError, TypeError, InvalidRequest) as error:
        raise AnswerUnusable(f"the server does not describe its triggers as expected: {error}") from error
    return dict(sorted(found.items()))


def format_triggers(triggers: Triggers) -> str:
    """Return a file that declares ``triggers``; ``parse_triggers`` reads it. Values that are the default are left out."""
    blocks = ["\n".join(_guide())]
    for database, declared in sorted(triggers.items()):
        if not declared:
            blocks.append(header((_DATABASES, database)))
        for trigger in sorted(declared, key=lambda t: t.name):
            blocks.append("\n".join((header((_DATABASES, database, _TRIGGERS, trigger.name)), *entry_lines(trigger))))
    return "\n\n".join(blocks) + "\n"


def entry_lines(trigger: TriggerDefinition) -> Iterator[str]:
    """Yield the lines below the header of ``trigger``."""
    for key in KEYS:
        text = key.text(trigger)
        if text is not None and (key.is_required or key.plain(trigger) != key.default):
            yield f"{key.key} = {text}"


def _read_database(source: Source, name: str, values: object) -> tuple[TriggerDefinition, ...]:
    path = (_DATABASES, name)
    reader = TableReader(source, path, f"database {name!r}", values)
    if name == INTERNAL:
        raise reader.refusal(f"database {name!r} is the server's own and has no triggers")
    try:
        check_database_name(name)
    except DatabaseNameError as error:
        raise reader.refusal(f"bad name {name!r}: {error}") from error
    reader.allow((_TRIGGERS,))
    below: Any = values
    entries = _tables(source, (*path, _TRIGGERS), below.get(_TRIGGERS, {}))
    return tuple(sorted((_read_trigger(source, name, n, v) for n, v in entries), key=lambda t: t.name))


def _read_trigger(source: Source, database: str, name: str, values: object) -> TriggerDefinition:
    what = f"trigger {name!r} of database {database!r}"
    reader = TableReader(source, (_DATABASES, database, _TRIGGERS, name), what, values)
    if reader.has("id"):
        raise reader.refusal(f"the id of {what} is the server's matter: leave the line out", "id")
    reader.allow(TRIGGER_KEYS)
    return read_definition(reader, name, 0)


def _tables(source: Source, path: tuple[str, ...], values: object) -> Iterator[tuple[str, object]]:
    if not isinstance(values, dict):
        raise source.refusal(f"{path[-1]} must be tables with headers such as {header((*path, 'NAME'))}", path)
    yield from values.items()


def _guide() -> Iterator[str]:
    yield "# Triggers, as `influxdb3 export` writes them and `influxdb3 apply -f FILE` makes them so."
    yield "# Names and values are those of the server's catalog.toml. A trigger has these keys:"
    yield "#"
    for key in KEYS:
        first, *others = wrap(f"{key.help}{_choices(key)}{_default(key)}", _WIDTH - _INDENT)
        yield f"#   {key.key}".ljust(_INDENT) + first
        yield from ("#".ljust(_INDENT) + other for other in others)


def _choices(key: TriggerKey) -> str:
    return f" One of {', '.join(map(toml_value, key.shape['enum']))}." if "enum" in key.shape else ""


def _default(key: TriggerKey) -> str:
    if key.is_required:
        return " Needed."
    return "" if key.default is None else f" Without it {toml_value(key.default)}."
