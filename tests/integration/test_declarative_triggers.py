"""Any triggers, declared in a file, on a real server: they are there afterwards, and nothing is left to do."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influxdb3_cli.client import InfluxClient
from influxdb3_cli.trigger_changes import carry_out
from influxdb3_cli.trigger_files import Triggers, format_triggers, parse_triggers, triggers_of
from influxdb3_cli.trigger_plans import make_plan
from tests.support.catalog import triggers
from tests.support.engines import open_engine
from tests.support.listening import listening

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None): pass
def process_scheduled_call(influxdb3_local, call_time, args=None): pass
def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None): pass
"""
declared = st.lists(triggers(), max_size=3, unique_by=lambda t: t.name).map(
    lambda drawn: {"home": tuple(replace(trigger, plugin_filename="p.py") for trigger in drawn)}
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxClient]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "p.py").write_text(PLUGIN)
    with (
        open_engine(folder, plugin_dir=folder / "plugins") as engine,
        listening(engine) as url,
        InfluxClient(url, None) as connected,
    ):
        yield connected


@settings(max_examples=20)
@given(declared)
def test_a_server_has_what_a_file_declares(client: InfluxClient, wanted: Triggers) -> None:
    wanted = parse_triggers(format_triggers(wanted).encode(), "t.toml")
    carry_out(client, make_plan(wanted, triggers_of(client.catalog()), prune=True))
    there = triggers_of(client.catalog())
    assert make_plan(wanted, there, prune=True).is_empty
    assert parse_triggers(format_triggers(there).encode(), "t.toml") == wanted
