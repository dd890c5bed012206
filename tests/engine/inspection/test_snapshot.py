import shutil
from pathlib import Path

import pytest

from engine.errors import ManifestCorrupt, StorageError
from engine.inspection.snapshot import Look, read_snapshot
from tests.support.golden_folder import FOLDERS

NODE = FOLDERS / "manifest-2" / "node0"
PLAIN, FULL, FORGIVING = Look(), Look(is_full=True), Look(is_checked=False)


@pytest.fixture
def node(tmp_path: Path) -> Path:
    return Path(shutil.copytree(NODE, tmp_path / "node0"))


def test_definitions_and_tables_are_told() -> None:
    found = read_snapshot(NODE, PLAIN)
    assert (found["rows_until"], found["state_until"]) == (32, 32)
    database = found["databases"]["db"]
    assert database["triggers"]["api"] == {
        "id": 2076225916615156,
        "spec": "request:api",
        "plugin": "p.py",
        "enabled": True,
    }
    assert database["last_caches"] == {"home": ["home_room_last_cache"]}
    assert database["tables"]["home"]["rows"] == 3
    assert database["tables"]["home"]["columns"] == 8
    assert found["databases"]["dropped-20231114T221321"]["deleted"] == "2023-11-14T22:13:21.500000Z"


@pytest.mark.parametrize("look", [PLAIN, FULL])
def test_the_hash_of_a_token_is_not_told_whole(look: Look) -> None:
    token = read_snapshot(NODE, look)["tokens"]["_admin"]
    assert token["hash"] == "232638933"


def test_a_full_look_tells_all_keys_columns_and_files() -> None:
    database = read_snapshot(NODE, FULL)["databases"]["db"]
    assert database["triggers"]["letters"]["error_behavior"] == "retry"
    assert database["last_caches"]["home"]["home_room_last_cache"]["ttl"] == "4h"
    home = database["tables"]["home"]
    assert home["columns"]["room"] == "tag"
    (file,) = home["files"]
    assert (NODE / "parquet" / str(home["id"]) / file["name"]).stat().st_size == file["size_bytes"]


def test_a_damaged_manifest_is_an_error_unless_it_is_forgiven(node: Path) -> None:
    data = bytearray((node / "manifest").read_bytes())
    data[8] ^= 1  # of the checksum
    (node / "manifest").write_bytes(data)
    with pytest.raises(ManifestCorrupt, match="its checksum does not match"):
        read_snapshot(node, PLAIN)
    assert read_snapshot(node, FORGIVING) == read_snapshot(NODE, PLAIN)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("catalog.toml", None, "catalog.toml is not there; --data-dir"),
        ("catalog.toml", b"databases = [", "catalog.toml: "),
        ("catalog.toml", b"\xff", "catalog.toml: "),
        ("manifest", None, "manifest is not there, though a catalog is"),
        ("manifest", b"I3MF", "manifest is damaged"),
    ],
)
def test_files_that_cannot_be_read_are_named(node: Path, name: str, content: bytes | None, problem: str) -> None:
    (node / name).unlink()
    if content is not None:
        (node / name).write_bytes(content)
    with pytest.raises(StorageError, match=problem):
        read_snapshot(node, PLAIN)
