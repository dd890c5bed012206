import json

import pytest
from hypothesis import given
from typer.main import get_command

from engine.errors import InvalidRequest
from engine.model.toml_reader import TableReader, parse_source
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_entry import TRIGGER_KEYS, read_definition
from engine.model.trigger_keys import KEYS, plain_trigger, trigger_fields, trigger_from_plain
from engine.model.trigger_options import OPTIONS
from engine.model.trigger_spec import parse_trigger_spec
from influxdb3_cli.commands import create
from tests.support.catalog import triggers

PLAIN = {
    "name": "t",
    "trigger_specification": "all_tables",
    "plugin_filename": "p.py",
    "trigger_arguments": None,
    "error_behavior": "log",
    "run_async": False,
    "enabled": True,
}


@given(triggers())
def test_a_trigger_in_words_of_requests_reads_back(trigger: TriggerDefinition) -> None:
    assert trigger_from_plain(json.loads(json.dumps(plain_trigger(trigger)))) == trigger


@given(triggers())
def test_a_trigger_in_a_file_reads_back(trigger: TriggerDefinition) -> None:
    lines = [f"{key} = {text}" for key, text in trigger_fields(trigger).items() if text is not None]
    source, values = parse_source("\n".join(lines).encode(), "f.toml")
    reader = TableReader(source, (), "it", values)
    reader.allow(TRIGGER_KEYS)
    assert read_definition(reader, trigger.name, 0) == trigger


def test_what_is_left_out_of_a_file_is_the_default() -> None:
    source, values = parse_source(b'spec = "all_tables"\nplugin = "p.py"', "f.toml")
    trigger = read_definition(TableReader(source, (), "it", values), "t", 0)
    assert trigger == TriggerDefinition(0, "t", "p.py", parse_trigger_spec("all_tables"))
    assert {k.key: k.plain(trigger) for k in KEYS if not k.is_required} == {
        k.key: k.default for k in KEYS if not k.is_required
    }


def test_words_of_a_newer_server_do_not_count() -> None:
    assert plain_trigger(trigger_from_plain(PLAIN | {"colour": "blue"})) == PLAIN


@pytest.mark.parametrize(
    "values",
    [
        {},
        PLAIN | {"error_behavior": "explode"},
        PLAIN | {"trigger_specification": "sometimes"},
        PLAIN | {"trigger_specification": 7},
        PLAIN | {"trigger_arguments": 7},
        PLAIN | {"timeout_s": "long"},
        PLAIN | {"isolation": "none"},
    ],
)
def test_what_is_no_trigger_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        trigger_from_plain(values)


def test_create_trigger_has_an_option_for_each_key() -> None:
    command = get_command(create.app).commands["trigger"]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {key.option for key in KEYS} <= options


def test_words_that_an_option_may_have_are_those_that_it_takes() -> None:
    for option in OPTIONS:
        for word in option.choices:
            assert option.read(option.write(word)) == word
            option.check(word)
