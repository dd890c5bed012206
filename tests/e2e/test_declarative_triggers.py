"""Triggers from a file, by the real program: what runs is as the file says, and changes keep what it remembers."""

import json
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
import tomli
from jsonschema import Draft7Validator

from engine.model.file_schemas import catalog_schema
from tests.support.live import Client
from tests.support.serving import PROGRAM, Serving, clean_environment, serving

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


def run(server: Serving, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAM), *words, "--host", server.url]
    return subprocess.run(
        command, cwd=folder, env=clean_environment(folder), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def test_a_trigger_from_a_file_runs_and_a_change_keeps_its_cache(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "count.py").write_text(PLUGIN)
    (tmp_path / "t.toml").write_text(FILE)
    apply = ("apply", "-f", "t.toml", "--plugins", "mine")
    (tmp_path / "plugins").mkdir()
    with serving(tmp_path, "--without-auth", "--plugin-dir", str(tmp_path / "plugins")) as server:
        client = Client(server.url, "home")
        assert run(server, tmp_path, *apply).returncode == 0
        assert client.write("cpu f=1 1")
        client.rows_when("SELECT * FROM out", lambda rows: len(rows) == 1)
        (tmp_path / "t.toml").write_text(FILE.replace('"one"', '"two"'))
        changed = run(server, tmp_path, *apply)
        assert (changed.returncode, changed.stderr) == (0, "")
        assert '      arguments.word: "one" → "two"\n' in changed.stdout
        assert client.write("cpu f=2 2")
        rows = client.rows_when("SELECT seen, word FROM out ORDER BY seen", lambda rows: len(rows) == 2)
        assert rows == [{"seen": 1, "word": "one"}, {"seen": 2, "word": "two"}]
        assert run(server, tmp_path, *apply, "--dry-run", "--exit-code").returncode == 0
        client.close()
    (catalog,) = (tmp_path / "data").rglob("catalog.toml")
    values = json.loads(json.dumps(tomli.loads(catalog.read_text()), default=datetime.isoformat))
    assert "count" in values["databases"]["home"]["triggers"]
    Draft7Validator(catalog_schema()).validate(values)
