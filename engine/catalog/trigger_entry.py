"""A trigger's entry in the catalog's file: its values to a definition, a definition to values."""

from engine.catalog.state import Database
from engine.model.toml_layout import TablePath
from engine.model.toml_reader import Source, TableReader
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_entry import TRIGGER_KEYS, read_definition
from engine.model.trigger_keys import Fields, trigger_fields

DATABASES = "databases"
TRIGGERS = "triggers"


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
    reader.allow(("id", *TRIGGER_KEYS))
    definition = read_definition(reader, name, reader.id_or_zero())
    if database.is_deleted and definition.enabled:
        raise reader.refusal(f"database {database.name!r} is deleted, so {name!r} cannot be enabled", "enabled")
    return definition


def entry_fields(trigger: TriggerDefinition) -> Fields:
    """Return the values of ``trigger`` as the file has them, by key; ``None`` = the key is left out."""
    return {"id": str(trigger.trigger_id), **trigger_fields(trigger)}
