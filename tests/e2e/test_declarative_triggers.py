"""Triggers from a file, by the real program: what runs is as the file says, and changes keep what it remembers."""

import json
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
import tomli
from jsonschema import Draft7Validator

from engine.model.file_schemas import catalog_schema
from tests.support.cli import RunCli, cli_runner
from tests.support.live import Client
from tests.support.serving import PROGRAM, clean_environment, serving

pytestmark = pytest.mark.process

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    seen = influxdb3_local.cache.get("seen", 0) + 1
    influxdb3_local.cache.put("seen", seen)
    influxdb3_local.write(LineBuilder("out").int64_field("seen", seen).string_field("word", args["word"]))
"""
FILE = """
[databases.home.triggers.count]
spec = "table:cpu"
plugin = "count.py"
arguments = { word = "one" }
max_rows_per_run = 1
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> RunCli:
    monkeypatch.chdir(tmp_path)
    return cli_runner(monkeypatch, capsysbinary)


def test_a_trigger_from_a_file_runs_and_a_change_keeps_its_cache(cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "count.py").write_text(PLUGIN)
    (tmp_path / "t.toml").write_text(FILE)
    (tmp_path / "plugins").mkdir()
    with serving(tmp_path, "--without-auth", "--plugin-dir", str(tmp_path / "plugins")) as server:
        client = Client(server.url, "home")
        apply = ("apply", "-f", "t.toml", "--plugins", "mine", "--host", server.url)
        subprocess.run([PROGRAM, *apply], cwd=tmp_path, env=clean_environment(tmp_path), check=True)
        assert client.write("cpu f=1 1")
        client.rows_when("SELECT * FROM out", lambda rows: len(rows) == 1)
        (tmp_path / "t.toml").write_text(FILE.replace('"one"', '"two"'))
        changed = cli(*apply)
        assert (changed.code, changed.stderr) == (0, "")
        assert '      arguments.word: "one" → "two"\n' in changed.stdout
        assert client.write("cpu f=2 2")
        rows = client.rows_when("SELECT seen, word FROM out ORDER BY seen", lambda rows: len(rows) == 2)
        assert rows == [{"seen": 1, "word": "one"}, {"seen": 2, "word": "two"}]
        assert cli(*apply, "--dry-run", "--exit-code").code == 0
        client.close()
    (catalog,) = (tmp_path / "data").rglob("catalog.toml")
    values = json.loads(json.dumps(tomli.loads(catalog.read_text()), default=datetime.isoformat))
    assert "count" in values["databases"]["home"]["triggers"]
    Draft7Validator(catalog_schema()).validate(values)
