"""Hashes of plugins, and what is seen in their files."""

import hashlib
import subprocess
import time
from pathlib import Path

import pytest

from engine.plugins.versions import Versions
from tests.support.clock import ManualClock


@pytest.fixture
def versions() -> Versions:
    return Versions(ManualClock(time.time_ns() + 10**12))


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_the_hash_of_a_file_is_what_sha256sum_says(versions: Versions, tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x = 1\n"})
    assert versions.hash_of(tmp_path / "a.py") == hashlib.sha256(b"x = 1\n").hexdigest()


def test_the_hash_of_a_folder_is_what_standard_tools_say(versions: Versions, tmp_path: Path) -> None:
    write(tmp_path, {"__init__.py": "1", "a b.py": "2", "a/c.py": "3", "a-b/d.py": "4", "notes.txt": "5"})
    command = "find * -name '*.py' | LC_ALL=C sort | tr '\\n' '\\0' | xargs -0 sha256sum | sha256sum"
    said = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert versions.hash_of(tmp_path) == said.split()[0]


def test_files_are_described(versions: Versions, tmp_path: Path) -> None:
    text = "def process_request(*a): ...\nfrom .work import process_writes, other\n"
    write(tmp_path, {"__init__.py": text, "bad.py": "def (:\n", "null.py": "x\0"})
    (tmp_path / "latin.py").write_bytes(b"# \xe9")
    main, bad, latin, null = versions.files_of(tmp_path)
    assert (main.path.name, main.size_bytes, main.problem) == ("__init__.py", len(text), None)
    assert main.entry_points == ("process_writes", "process_request")
    assert bad.problem == "SyntaxError: invalid syntax (bad.py, line 1)"
    assert latin.problem is not None
    assert latin.problem.startswith("UnicodeDecodeError: ")
    assert null.problem is not None
    assert "null bytes" in null.problem
    write(tmp_path, {"bad.py": "def process_scheduled_call(*a): ...\n"})
    assert versions.files_of(tmp_path)[1].entry_points == ("process_scheduled_call",)
