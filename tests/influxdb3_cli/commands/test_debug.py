import json
import shutil
from pathlib import Path

import pytest

from tests.support.cli import RunCli
from tests.support.golden_folder import FOLDERS
from tests.support.stories import Story, server_of

DATA = FOLDERS / "manifest-2"


@pytest.fixture
def here(cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunCli:
    """Look into a copy of a folder of data."""
    shutil.copytree(DATA, tmp_path / "data")
    monkeypatch.setenv("INFLUXDB3_DATA_DIR", str(tmp_path / "data"))
    return cli


@pytest.mark.parametrize("command", ["list", "ls"])
def test_files_are_listed(here: RunCli, command: str) -> None:
    shown = here("debug", "catalog", command)
    assert (shown.code, shown.stderr) == (0, "")
    *files, total = shown.stdout.splitlines()
    assert [line.split()[0] for line in files] == ["catalog", "manifest", "checkpoint", "log"]
    assert total == "4 files, 1 of the log, 21.71KiB"
    told = json.loads(here("debug", "catalog", command, "--format", "json", "--all").stdout)
    assert (list(told), told["log_count"]) == (["files", "log_count", "total_bytes"], 1)
    assert "parquet" in {file["kind"] for file in told["files"]}


def test_the_catalog_is_shown(here: RunCli) -> None:
    lines = here("debug", "catalog", "snapshot").stdout.splitlines()
    assert lines[5:7] == ["databases:", "  _internal:"]
    assert "        spec: request:api" in lines
    assert '  "dropped-20231114T221321":' in lines
    full = json.loads(here("debug", "catalog", "snapshot", "--full", "--format", "json").stdout)
    assert full["databases"]["db"]["tables"]["home"]["columns"]["room"] == "tag"


def test_the_log_is_shown(here: RunCli) -> None:
    lines = here("debug", "catalog", "sequence", "40").stdout.splitlines()
    assert lines[0].endswith("00000000000000000033.wal, begins at position 33, 12 frames")
    assert lines[3] == "frame at 4224: positions 34 to 35, 384B"
    assert lines[5].startswith('  35 rows {"table_id": ')
    heads = here("debug", "catalog", "sequence", "--headers-only").stdout.splitlines()
    assert heads == [lines[0], *(line for line in lines if line.startswith("frame "))]
    assert len(json.loads(here("debug", "catalog", "sequence", "--format", "json").stdout)["frames"]) == 12


def test_damage_is_told_behind_what_can_be_read(here: RunCli, tmp_path: Path) -> None:
    path = next((tmp_path / "data" / "node0" / "wal").iterdir())
    data = bytearray(path.read_bytes())
    data[4224 + 100] ^= 1
    path.write_bytes(data)
    stopped = here("debug", "catalog", "sequence")
    assert (stopped.code, len(stopped.stdout.splitlines())) == (1, 3)
    assert stopped.stderr.startswith("Debug command failed: a frame at offset 4224 is damaged")
    passed = here("debug", "catalog", "sequence", "--skip-crc")
    assert (passed.code, "384B, damaged" in passed.stdout) == (0, True)
    (tmp_path / "data" / "node0" / "manifest").write_bytes(b"I3MF\x02\0\0\0\0\0\0\0\x90")
    for options in ([], ["--skip-crc"]):
        refused = here("debug", "catalog", "snapshot", *options)
        assert (refused.code, "manifest is damaged" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--node-id", "node0"], 0),
        (["--catalog-prefix", "node0", "--node-id", "other"], 0),
        (["--cluster-id", "node0", "--node-id", "other"], 0),
        (["--node-id", "other"], 1),
        (["--object-store", "file", "--aws-default-region", "x", "--aws-allow-http", "--bucket", "b"], 0),
    ],
)
def test_the_node_may_be_named_in_several_ways(here: RunCli, options: list[str], code: int) -> None:
    shown = here("debug", "catalog", "list", *options)
    assert shown.code == code
    assert ("no node is at " in shown.stderr) == bool(code)


def test_variables_name_the_node(here: RunCli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "data" / "node0").rename(tmp_path / "data" / "another")
    monkeypatch.setenv("INFLUXDB3_NODE_IDENTIFIER_PREFIX", "another")
    assert here("debug", "catalog", "list").code == 0
    monkeypatch.setenv("INFLUXDB3_CATALOG_PREFIX", "gone")
    assert here("debug", "catalog", "list").code == 1
    monkeypatch.setenv("INFLUXDB3_CATALOG_PREFIX", "another")
    monkeypatch.setenv("INFLUXDB3_NODE_ID", "gone")
    assert here("debug", "catalog", "list").code == 0


def test_a_running_server_is_not_disturbed(cli: RunCli, tmp_path: Path) -> None:
    with server_of(Story(()), tmp_path / "server") as (served, url):
        assert cli("write", "-q", "-d", "foo", "-H", url, "cpu,host=a v=1").code == 0
        data = str(tmp_path / "server" / "data")
        for command in ("list", "snapshot", "sequence"):
            shown = cli("debug", "catalog", command, "--data-dir", data)
            assert (shown.code, shown.stderr) == (0, ""), shown
        assert '"table_name": "cpu"' in shown.stdout
        assert served.rows("SELECT host FROM cpu") == [{"host": "a"}]


@pytest.mark.parametrize("words", ["sequence x", "sequence -- -1", "list --format xml", "rows"])
def test_what_is_not_understood_is_a_usage_error(here: RunCli, words: str) -> None:
    assert here("debug", "catalog", *words.split()).code == 2
