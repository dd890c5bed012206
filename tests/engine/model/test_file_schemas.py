"""The schemas accept what is accepted, refuse what is refused, and are published as they are."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from engine.catalog.codec import decode, encode
from engine.catalog.state import CatalogState
from engine.errors import CatalogEditRefused
from engine.model.file_schemas import catalog_schema, triggers_schema
from engine.model.trigger import TriggerDefinition
from influxdb3_cli.trigger_files import format_triggers, parse_triggers
from tests.support.catalog import a_state, handwritten, states, triggers
from tests.support.cli import RunCli, cli_runner

SCHEMAS = {"triggers": triggers_schema(), "catalog": catalog_schema()}
VALIDATORS = {kind: Draft7Validator(schema) for kind, schema in SCHEMAS.items()}
PUBLISHED = Path(__file__).parents[3] / "docs" / "schemas"


def problems(kind: str, text: str) -> list[str]:
    """Return what an editor says about a TOML file; it takes times as texts."""
    return [error.message for error in VALIDATORS[kind].iter_errors(as_json(tomli.loads(text)))]


def as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_json(below) for key, below in value.items()}
    if isinstance(value, list):
        return [as_json(below) for below in value]
    return value.isoformat() if isinstance(value, datetime) else value


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_is_one(kind: str) -> None:
    Draft7Validator.check_schema(SCHEMAS[kind])


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_is_published_as_it_is(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    """Made by: influxdb3 export --schema KIND -o docs/schemas/KIND.schema.json."""
    cli: RunCli = cli_runner(monkeypatch, capsysbinary)
    printed = cli("export", "--schema", kind).stdout
    assert json.loads(printed) == SCHEMAS[kind]
    assert printed == (PUBLISHED / f"{kind}.schema.json").read_text()
    file = tmp_path / "s.json"
    assert cli("export", "--schema", kind, "-o", str(file)).stdout == f"Schema written to {file}\n"
    assert file.read_text() == printed


@settings(max_examples=30)
@given(st.lists(triggers(), max_size=3, unique_by=lambda t: t.name))
def test_what_export_writes_is_accepted(drawn: list[TriggerDefinition]) -> None:
    assert not problems("triggers", format_triggers({"home": tuple(drawn)}))


def test_a_recorded_catalog_is_accepted() -> None:
    recorded = Path(__file__).parents[2] / "golden" / "catalog.toml"
    assert not problems("catalog", recorded.read_text())


@settings(max_examples=30)
@given(states())
def test_what_the_engine_writes_is_accepted(state: CatalogState) -> None:
    assert not problems("catalog", encode(state).text)


@settings(max_examples=30)
@given(st.data())
def test_what_people_write_is_accepted(data: st.DataObject) -> None:
    text = "".join(piece.text for piece in data.draw(handwritten(data.draw(states()))))
    decode(text.encode(), "catalog.toml")
    assert not problems("catalog", text)


@pytest.mark.parametrize(
    "lines",
    [
        "[database.x.triggers.y]",
        '[databases.x]\nretention_period = "1d"',
        "[databases.x.triggers.y]",
        '[databases.x.triggers.y]\nspec = "all_tables"',
        '[databases.x.triggers.y]\nspec = "sometimes"\nplugin = "p.py"',
        '[databases.x.triggers.y]\nspec = "table:"\nplugin = "p.py"',
        '[databases.x.triggers.y]\nspec = "all_tables"\nplugin = "p.py"\nid = 7',
        '[databases.x.triggers.y]\nspec = "all_tables"\nplugin = "p.py"\ntime_out = 3',
        '[databases.x.triggers.y]\nspec = "all_tables"\nplugin = "p.py"\ntimeout = 1.5',
        '[databases.x.triggers.y]\nspec = "all_tables"\nplugin = "p.py"\nenabled = "yes"',
        '[databases.x.triggers.y]\nspec = "all_tables"\nplugin = "p.py"\narguments = { n = 7 }',
        '[databases.x.triggers.y]\nspec = "all_tables"\nplugin = "p.py"\nerror_behavior = "explode"',
        '[databases.x.triggers.y]\nspec = "all_tables"\nplugin = "p.py"\nisolation = "none"',
    ],
)
def test_what_is_refused_is_marked(lines: str) -> None:
    with pytest.raises(CatalogEditRefused):
        parse_triggers(lines.encode(), "t.toml")
    assert problems("triggers", lines)


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ((), ()),
        (("databases", "d"), ("databases", "*")),
        (("databases", "d", "tables", "t"), ("databases", "*", "tables", "*")),
        (("databases", "d", "triggers", "t"), ("databases", "*", "triggers", "*")),
        (("databases", "d", "last_caches", "t", "c"), ("databases", "*", "last_caches", "*", "*")),
        (("databases", "d", "distinct_caches", "t", "c"), ("databases", "*", "distinct_caches", "*", "*")),
        (("tokens", "t"), ("tokens", "*")),
    ],
)
def test_the_keys_are_those_that_the_catalog_takes(header: tuple[str, ...], path: tuple[str, ...]) -> None:
    above = f"[{'.'.join(header)}]\n" if header else ""
    text = f"format_version = 1\n{above}nonsense = 1\n"
    with pytest.raises(CatalogEditRefused) as refused:
        decode(text.encode(), "catalog.toml")
    allowed = re.search(r"allowed are (.*)", str(refused.value))
    schema = catalog_schema()
    for part in path:
        schema = schema["additionalProperties"] if part == "*" else schema["properties"][part]
    assert allowed is not None
    assert set(allowed[1].split(", ")) == schema["properties"].keys()


def test_an_edit_that_is_nearly_right_is_marked() -> None:
    text = encode(a_state()).text
    assert not problems("catalog", text)
    assert problems("catalog", text.replace("plugin = ", "plugn = "))
    assert problems("catalog", text.replace('hash = "a', 'hash = "x'))
