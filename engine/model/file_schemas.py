"""JSON Schemas of the files that people write, for editors: files for ``apply``, and ``catalog.toml``."""

from collections.abc import Mapping
from typing import Any

from engine.model.caches import DEFAULT_MAX_AGE_S, DEFAULT_MAX_CARDINALITY, DEFAULT_TTL_S, MOST_COUNT, MOST_NUMBER
from engine.model.durations import NS_PER_SECOND, format_duration
from engine.model.toml_reader import MOST_ID
from engine.model.trigger_keys import KEYS, TriggerKey

Schema = dict[str, Any]

_DRAFT = "http://json-schema.org/draft-07/schema#"  # the newest that the widespread extensions for TOML know
_TEXT = {"type": "string"}


def triggers_schema() -> Schema:
    """Return the schema of a file for ``apply``."""
    database = _entry({"triggers": _named("trigger", _trigger())}, "The triggers of a database.")
    top = _entry({"databases": _named("database", database)}, "What influxdb3 apply makes so, and export writes.")
    return {"$schema": _DRAFT, "title": "Triggers of InfluxDB 3", **top, "required": ["databases"]}


def catalog_schema() -> Schema:
    """Return the schema of ``catalog.toml``."""
    top = _entry(
        {
            "format_version": {"const": 1, "description": "The form of this file."},
            "cluster_uuid": _text("Drawn by the server."),
            "databases": _named("database", _database()),
            "tokens": _named("token", _token()),
        },
        "What a server holds: databases, their triggers and caches, tokens.",
    )
    return {"$schema": _DRAFT, "title": "Catalog of InfluxDB 3", **top, "required": ["format_version"]}


def _database() -> Schema:
    return _entry(
        {
            "id": _id(),
            "retention_period": _text("So long rows are kept, such as 30d; for ever without it."),
            **_deletion("database"),
            "tables": _named("table", _table()),
            "triggers": _named("trigger", _trigger(id=_id())),
            "last_caches": _named("table", _named("cache", _last_cache())),
            "distinct_caches": _named("table", _named("cache", _distinct_cache())),
        },
        "A database.",
    )


def _table() -> Schema:
    period = _text("So long rows are kept, such as 7d; as long as those of the database without it.")
    return _entry({"id": _id(), "retention_period": period, **_deletion("table")}, "What is said of a table.")


def _trigger(**others: Schema) -> Schema:
    entry = _entry(
        {**others, **{key.key: _value(key) for key in KEYS}}, "A trigger: when to run which plugin, and how."
    )
    return entry | {"required": [key.key for key in KEYS if key.is_required]}


def _value(key: TriggerKey) -> Schema:
    default = {} if key.default is None else {"default": key.default}
    return {**key.shape, "description": key.help, **default}


def _last_cache() -> Schema:
    properties = {
        "id": _id(),
        "key_columns": _columns("Rows with equal values here are of one key."),
        "value_columns": _columns("What is kept; all other columns without it."),
        "count": _number("So many rows of each key.", MOST_COUNT, 1),
        "ttl": _duration("So long a row is kept.", DEFAULT_TTL_S),
    }
    return _entry(properties, "Newest rows by key: SELECT … FROM last_cache('TABLE').") | {"required": ["key_columns"]}


def _distinct_cache() -> Schema:
    properties = {
        "id": _id(),
        "columns": _columns("The columns, from general to special.") | {"minItems": 1},
        "max_cardinality": _number("So many combinations at most.", MOST_NUMBER, DEFAULT_MAX_CARDINALITY),
        "max_age": _duration("So old the latest row of a combination may be.", DEFAULT_MAX_AGE_S),
    }
    return _entry(properties, "Values that occur: SELECT … FROM distinct_cache('TABLE').") | {"required": ["columns"]}


def _token() -> Schema:
    properties = {
        "id": _id(),
        "hash": {**_TEXT, "pattern": "^[0-9a-fA-F]{128}$", "description": "The SHA-512 of the token's text."},
        "created": _time("When it was made."),
        "expires": _time("Until when it is valid; for ever without it."),
        "created_by": _id("The id of the token that made it."),
        "updated": _time("When it got its present text."),
        "updated_by": _id("The id of the token that gave it that."),
    }
    return _entry(properties, "A token; its text stands nowhere.") | {"required": ["hash"]}


def _deletion(what: str) -> Schema:
    return {
        "deleted": _time(f"When the {what} was deleted: by command, not here."),
        "hard_delete_at": _time("When the data of what is deleted goes; never without it."),
    }


def _entry(properties: Mapping[str, Schema], description: str) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "additionalProperties": False,
    }


def _named(what: str, entry: Schema) -> Schema:
    return {"type": "object", "description": f"By the name of the {what}.", "additionalProperties": entry}


def _id(description: str = "Drawn by the server; a new entry has none.") -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": MOST_ID, "description": description}


def _text(description: str) -> Schema:
    return {**_TEXT, "description": description}


def _time(description: str) -> Schema:
    return {**_TEXT, "format": "date-time", "description": description}


def _duration(description: str, default_s: int) -> Schema:
    return _text(description) | {"default": format_duration(default_s * NS_PER_SECOND)}


def _number(description: str, most: int, default: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default, "description": description}


def _columns(description: str) -> Schema:
    return {"type": "array", "items": _TEXT, "uniqueItems": True, "description": description}
