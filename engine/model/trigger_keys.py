"""The keys of a trigger in one table: their words in files, in requests and on the command line, and their meaning."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidRequest
from engine.model.toml_layout import quote, quote_key
from engine.model.trigger import ErrorBehavior, TriggerDefinition
from engine.model.trigger_options import OPTIONS, TriggerOption, with_options
from engine.model.trigger_spec import format_trigger_spec, parse_trigger_spec

Fields = Mapping[str, str | None]
"""The values of an entry as a file has them, by key; ``None`` = the key is left out."""

_SPEC_PATTERN = r"^\s*(all_tables\s*$|(table|every|cron|request|path):\s*\S)"


@dataclass(frozen=True, slots=True)
class TriggerKey:
    """One key of a trigger.

    Attributes:
        key: its word in ``catalog.toml`` and in files for ``apply``.
        request: its word in requests.
        option: its word on the command line of ``create trigger``.
        shape: which values a file may have, as JSON Schema.
        help: what it means.
        plain: returns its value as requests have it, ``None`` = it is not set.
        text: returns its value as a file has it, ``None`` = the key is left out.
        default: what holds where the key is left out, as requests have it.
        is_required: it cannot be left out.
        is_setting: it stands in ``trigger_settings`` of requests.
    """

    key: str
    request: str
    option: str
    shape: Mapping[str, Any]
    help: str
    plain: Callable[[TriggerDefinition], Any]
    text: Callable[[TriggerDefinition], str | None]
    default: Any = None
    is_required: bool = False
    is_setting: bool = False


def toml_value(value: str | bool) -> str:
    """Return a text or a flag as a file has it."""
    return quote(value) if isinstance(value, str) else "true" if value else "false"


def trigger_fields(trigger: TriggerDefinition) -> Fields:
    """Return the values of ``trigger``, without its id."""
    return {key.key: key.text(trigger) for key in KEYS}


def plain_trigger(trigger: TriggerDefinition) -> dict[str, Any]:
    """Return name and values of ``trigger`` by the words of requests; options that are not set are left out."""
    unset = {option.name for option in OPTIONS if option.of(trigger) is None}
    return {"name": trigger.name, **{key.request: key.plain(trigger) for key in KEYS if key.request not in unset}}


def trigger_from_plain(values: Mapping[str, Any]) -> TriggerDefinition:
    """Return the trigger, without id, of which ``values`` are ``plain_trigger``; unknown words do not count.

    Raises:
        InvalidRequest: a value is missing or not allowed.
    """
    try:
        definition = TriggerDefinition(
            0,
            values["name"],
            values["plugin_filename"],
            parse_trigger_spec(values["trigger_specification"]),
            values["trigger_arguments"],
            values["run_async"],
            ErrorBehavior(values["error_behavior"]),
            values["enabled"],
        )
        return with_options(definition, values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest(f"this is not a trigger as the server describes it: {error!r}") from error


def _spec(trigger: TriggerDefinition) -> str:
    return format_trigger_spec(trigger.spec)


def _plain_arguments(trigger: TriggerDefinition) -> dict[str, str] | None:
    return None if trigger.arguments is None else dict(trigger.arguments)


def _arguments_text(trigger: TriggerDefinition) -> str | None:
    if trigger.arguments is None:
        return None
    pairs = ", ".join(f"{quote_key(key)} = {quote(value)}" for key, value in trigger.arguments.items())
    return f"{{ {pairs} }}" if pairs else "{}"


def _option_key(row: TriggerOption) -> TriggerKey:
    def text(trigger: TriggerDefinition) -> str | None:
        written = row.text(trigger)
        return written if written is None or (row.kind is int and written.isdecimal()) else quote(written)

    flag = f"--{row.key.replace('_', '-')}"
    return TriggerKey(row.key, row.name, flag, _option_shape(row), row.help, row.plain, text, is_setting=True)


def _option_shape(row: TriggerOption) -> Mapping[str, Any]:
    if row.choices:
        return {"enum": list(row.choices)}
    if row.kind is str:
        return {"type": "string", "minLength": 1}
    return {"type": ["string", "integer"], "minLength": 1, "minimum": 1}


KEYS: tuple[TriggerKey, ...] = (
    TriggerKey(
        "spec",
        "trigger_specification",
        "--trigger-spec",
        {"type": "string", "pattern": _SPEC_PATTERN},
        "When to run: table:<TABLE>, all_tables, every:<DURATION>, cron:<5, 6 or 7 fields>, request:<PATH>.",
        _spec,
        lambda trigger: quote(_spec(trigger)),
        is_required=True,
    ),
    TriggerKey(
        "plugin",
        "plugin_filename",
        "--plugin-filename",
        {"type": "string"},
        "Plugin file or folder, in the server's plugin folder, or gh:<PATH> from its repository.",
        lambda trigger: trigger.plugin_filename,
        lambda trigger: quote(trigger.plugin_filename),
        is_required=True,
    ),
    TriggerKey(
        "arguments",
        "trigger_arguments",
        "--trigger-arguments",
        {"type": "object", "additionalProperties": {"type": "string"}},
        "Arguments for the plugin, all texts; env:NAME and file:PATH stand for secrets that are read when it runs.",
        _plain_arguments,
        _arguments_text,
    ),
    TriggerKey(
        "error_behavior",
        "error_behavior",
        "--error-behavior",
        {"enum": [behavior.value for behavior in ErrorBehavior]},
        "What follows a failed run: a line in the log, up to five attempts, or the end of the trigger.",
        lambda trigger: trigger.error_behavior.value,
        lambda trigger: quote(trigger.error_behavior.value),
        default=ErrorBehavior.LOG.value,
        is_setting=True,
    ),
    TriggerKey(
        "run_asynchronous",
        "run_async",
        "--run-asynchronous",
        {"type": "boolean"},
        "Let several runs go on at the same time.",
        lambda trigger: trigger.run_async,
        lambda trigger: toml_value(trigger.run_async),
        default=False,
        is_setting=True,
    ),
    TriggerKey(
        "enabled",
        "enabled",
        "--disabled",
        {"type": "boolean"},
        "Whether the trigger is on.",
        lambda trigger: trigger.enabled,
        lambda trigger: toml_value(trigger.enabled),
        default=True,
    ),
    *(_option_key(option) for option in OPTIONS),
)
"""All keys, in the order in which they are shown."""
