"""A trigger's entry in a TOML file, read to a definition."""

from engine.errors import InvalidRequest
from engine.model.toml_reader import TableReader
from engine.model.trigger import ErrorBehavior, TriggerDefinition
from engine.model.trigger_keys import KEYS
from engine.model.trigger_options import OPTIONS, check_options
from engine.model.trigger_spec import parse_trigger_spec

TRIGGER_KEYS = tuple(key.key for key in KEYS)


def read_definition(reader: TableReader, name: str, trigger_id: int) -> TriggerDefinition:
    """Return the trigger ``name`` that the entry describes; which keys stand there was looked at before.

    Raises:
        CatalogEditRefused: the text names file, line and reason.
    """
    spec, behavior = reader.text("spec"), reader.text_or("error_behavior", ErrorBehavior.LOG.value)
    try:
        parsed_spec = parse_trigger_spec(spec)
    except InvalidRequest as error:
        raise reader.refusal(str(error), "spec") from error
    if behavior not in (b.value for b in ErrorBehavior):
        reason = f"error_behavior {behavior!r} of {reader.what} must be log, retry or disable"
        raise reader.refusal(reason, "error_behavior")
    definition = TriggerDefinition(
        trigger_id,
        name,
        reader.text("plugin"),
        parsed_spec,
        reader.texts("arguments"),
        reader.flag_or("run_asynchronous", False),
        ErrorBehavior(behavior),
        reader.flag_or("enabled", True),
    )
    return _with_options(reader, definition)


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
