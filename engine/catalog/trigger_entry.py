"""A trigger's entry in the catalog's file: its values to a definition, a definition to values."""

from collections.abc import Mapping

from engine.catalog.layout import TablePath, quote, quote_key
from engine.catalog.reader import Source, TableReader
from engine.catalog.state import Database
from engine.errors import InvalidRequest
from engine.model.trigger import ErrorBehavior, TriggerDefinition
from engine.model.trigger_options import OPTIONS, TriggerOption, check_options
from engine.model.trigger_spec import format_trigger_spec, parse_trigger_spec

DATABASES = "databases"
TRIGGERS = "triggers"

Fields = Mapping[str, str | None]

_KEYS = ("id", "spec", "plugin", "arguments", "error_behavior", "run_asynchronous", "enabled")


def trigger_path(database: Database, trigger: TriggerDefinition) -> TablePath:
    """Return the header of ``trigger``."""
    return (DATABASES, database.name, TRIGGERS, trigger.name)


def read_trigger(source: Source, database: Database, name: str, values: object) -> TriggerDefinition:
    """Return the trigger that ``values`` describe.

    Raises:
        CatalogEditRefused: the text names file, line and reason.
    """
    what = f"trigger {name!r} of database {database.name!r}"
    reader = TableReader(source, (DATABASES, database.name, TRIGGERS, name), what, values)
    if database.is_internal:
        raise reader.refusal("cannot modify internal db")
    reader.allow((*_KEYS, *(option.key for option in OPTIONS)))
    trigger_id = reader.id_or_zero()
    spec, behavior = reader.text("spec"), reader.text_or("error_behavior", ErrorBehavior.LOG.value)
    enabled = reader.flag_or("enabled", True)
    if database.is_deleted and enabled:
        raise reader.refusal(f"database {database.name!r} is deleted, so {name!r} cannot be enabled", "enabled")
    try:
        parsed_spec = parse_trigger_spec(spec)
    except InvalidRequest as error:
        raise reader.refusal(str(error), "spec") from error
    if behavior not in (b.value for b in ErrorBehavior):
        raise reader.refusal(f"error_behavior {behavior!r} of {what} must be log, retry or disable", "error_behavior")
    definition = TriggerDefinition(
        trigger_id,
        name,
        reader.text("plugin"),
        parsed_spec,
        reader.texts("arguments"),
        reader.flag_or("run_asynchronous", False),
        ErrorBehavior(behavior),
        enabled,
    )
    return _with_options(reader, definition)


def trigger_fields(trigger: TriggerDefinition) -> Fields:
    """Return the values of ``trigger`` as the file has them, by key; ``None`` = the key is left out."""
    arguments = trigger.arguments
    pairs = ", ".join(f"{quote_key(k)} = {quote(v)}" for k, v in arguments.items()) if arguments is not None else ""
    return {
        "id": str(trigger.trigger_id),
        "spec": quote(format_trigger_spec(trigger.spec)),
        "plugin": quote(trigger.plugin_filename),
        "arguments": None if arguments is None else f"{{ {pairs} }}" if pairs else "{}",
        "error_behavior": quote(trigger.error_behavior.value),
        "run_asynchronous": _flag_text(trigger.run_async),
        "enabled": _flag_text(trigger.enabled),
        **{option.key: _option_text(option, trigger) for option in OPTIONS},
    }


def _with_options(reader: TableReader, definition: TriggerDefinition) -> TriggerDefinition:
    for option in OPTIONS:
        if reader.has(option.key):
            text = reader.number_or_text(option.key)
            try:
                value = option.read(text)
                option.check(value)
            except ValueError as error:
                raise reader.refusal(f"{option.key} {text!r} of {reader.what}: {error}", option.key) from error
            definition = option.put(definition, value)
    try:
        check_options(definition)
    except InvalidRequest as error:
        raise reader.refusal(f"{reader.what}: {error}") from error
    return definition


def _option_text(option: TriggerOption, trigger: TriggerDefinition) -> str | None:
    text = option.text(trigger)
    return text if text is None or (option.kind is int and text.isdecimal()) else quote(text)


def _flag_text(value: bool) -> str:
    return "true" if value else "false"
