import re
from pathlib import Path

import pytest

from engine.errors import StorageError
from engine.inspection.files import list_files
from tests.support.golden_folder import FOLDERS

NODE = FOLDERS / "manifest-2" / "node0"


def test_the_files_of_the_catalog_are_listed() -> None:
    listed = list_files(NODE, is_complete=False)
    assert list(listed) == ["files", "log_count", "total_bytes"]
    assert [(file["kind"], file["sequence"]) for file in listed["files"]] == [
        ("catalog", None),
        ("manifest", None),
        ("checkpoint", 32),
        ("log", 33),
    ]
    assert (listed["log_count"], listed["total_bytes"]) == (1, sum(file["size_bytes"] for file in listed["files"]))
    for file in listed["files"]:
        assert (NODE / file["path"]).stat().st_size == file["size_bytes"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", file["last_modified"])


def test_all_files_may_be_listed(tmp_path: Path) -> None:
    kinds = {file["kind"] for file in list_files(NODE, is_complete=True)["files"]}
    assert kinds == {"catalog", "manifest", "checkpoint", "log", "parquet", "cache", "backfill"}
    (tmp_path / "catalog.toml.rejected-20261121T120000").write_text("")
    (tmp_path / "lock").write_text("")
    found = {file["path"]: file["kind"] for file in list_files(tmp_path, is_complete=True)["files"]}
    assert found == {"catalog.toml.rejected-20261121T120000": "rejected", "lock": "other"}
    assert list_files(tmp_path, is_complete=False) == {"files": [], "log_count": 0, "total_bytes": 0}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no node is at .*/gone; --data-dir"):
        list_files(tmp_path / "gone", is_complete=False)
