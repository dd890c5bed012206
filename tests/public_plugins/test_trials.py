import json

import pytest

from tests.public_plugins.found import Argument, FoundPlugin
from tests.public_plugins.trials import Server, Trial, examples, rows, trials_of

SERVER = Server(4711)
OFFERED = (
    Argument("measurement", "cpu", True),
    Argument("specific_fields", "usage.temp", False),
    Argument("dry_run", "true", False),
    Argument("config_file_path", "config.toml", False),
    Argument("port_override", "8182", False),
)


@pytest.mark.parametrize(
    ("only_required", "arguments"),
    [
        (True, {"measurement": "cpu", "port_override": "4711"}),
        (False, {"measurement": "cpu", "specific_fields": "usage.temp", "port_override": "4711"}),
    ],
)
def test_examples_become_arguments(only_required: bool, arguments: dict[str, str]) -> None:
    assert examples(OFFERED, SERVER, only_required=only_required) == arguments


def plugin(entry: str, kind: str, **changes: object) -> FoundPlugin:
    return FoundPlugin("p", "p.py", (entry,), (entry,), arguments={kind: OFFERED}, **changes)  # type: ignore[arg-type]


def test_each_way_is_tried_once() -> None:
    tried = trials_of(
        plugin("process_scheduled_call", "schedule", configs=("a_scheduler.toml", "a_data_writes.toml")), SERVER
    )
    assert [(trial.kind, trial.way, trial.tables, trial.columns) for trial in tried] == [
        ("schedule", "required arguments", ("cpu",), ()),
        ("schedule", "all arguments", ("cpu",), ("usage",)),
        ("schedule", "settings of a_scheduler.toml", ("home",), ()),
    ]


def test_function_without_arguments_is_tried_once() -> None:
    (trial,) = trials_of(FoundPlugin("p", "p", ("process_writes",), ("process_writes",)), SERVER)
    assert (trial.arguments, trial.tables, trial.body) == ({}, ("home",), b"")


def test_requests_come_with_and_without_body() -> None:
    found = FoundPlugin(
        "p",
        "p.py",
        ("process_request",),
        ("process_request",),
        body=(Argument("table", "cpu", True), Argument("excluded_fields", "a b", False)),
    )
    bodies = [json.loads(trial.body or "null") for trial in trials_of(found, SERVER)]
    assert bodies == [None, {"table": "cpu"}, {"table": "cpu", "excluded_fields": ["a", "b"]}]


def test_rows_are_good_line_protocol() -> None:
    trial = Trial("process_writes", "", {}, ("odd table",), ("usage",))
    lines = rows(trial, "odd table", 1_000_000_000_000, 3)
    assert len(lines.splitlines()) == 6
    assert all(line.startswith("odd\\ table,host=server0") for line in lines.splitlines())
    assert lines.splitlines()[-1].endswith(" 1000000000000")
    assert ",usage=1.5," in lines
