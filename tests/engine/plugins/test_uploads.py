"""Files and folders that are replaced: readers see the old or the new, and so does who comes after a crash."""

import ctypes
import os
import threading
from pathlib import Path

import pytest

from engine.plugins import uploads
from engine.plugins.uploads import clear_leftovers, replace_folder, undoing, write_file


def content(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(params=["in one step", "in two"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of exchanging folders: that of Linux, and that of other systems, which lack its call."""
    if request.param == "in two":
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    return str(request.param)


def test_a_folder_is_exchanged(tmp_path: Path, way: str) -> None:
    target = tmp_path / "pack"
    replace_folder(target, [("a.py", b"1"), ("old/b.py", b"")])
    replace_folder(target, [("a.py", b"2"), ("new/c.py", b"3")])
    assert content(tmp_path) == {"pack/a.py": "2", "pack/new/c.py": "3"}
    assert [p.name for p in tmp_path.iterdir()] == ["pack"]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "renameat2"), reason="the system cannot exchange two names")
def test_readers_always_find_a_folder(tmp_path: Path) -> None:
    """There are no two steps with nothing between them."""
    target = tmp_path / "pack"
    replace_folder(target, [("__init__.py", b"0")])
    done, missed = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            if not target.exists():
                missed.append(target)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(50):
        replace_folder(target, [("__init__.py", b"%d" % number)])
    done.set()
    reader.join()
    assert missed == []
    assert content(target) == {"__init__.py": "49"}


@pytest.mark.parametrize("step", range(12))
def test_whenever_the_process_is_killed_the_old_or_the_new_folder_is_there(
    tmp_path: Path, way: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B2.23"""
    old, new = {"a.py": "1", "old.py": ""}, {"a.py": "2", "new/b.py": ""}
    target = tmp_path / "pack"
    replace_folder(target, [(name, text.encode()) for name, text in old.items()])
    left = [step]

    def killed(_: object) -> bool:
        left[0] -= 1
        return left[0] < 0

    class Killed(BaseException):
        """Nothing is done after it."""

    def dying(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **more: object) -> object:
            if killed(name):
                raise Killed
            return real(*args, **more)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir"):
        dying(name)
    try:
        replace_folder(target, [(name, text.encode()) for name, text in new.items()])
    except Killed:
        pass
    finally:
        monkeypatch.undo()
    clear_leftovers(tmp_path)
    assert content(target) in (old, new)
    assert [p.name for p in tmp_path.iterdir()] == ["pack"]


def test_a_failed_exchange_leaves_the_old_folder(tmp_path: Path, way: str) -> None:
    target = tmp_path / "pack"
    replace_folder(target, [("a.py", b"1")])
    with pytest.raises(OSError, match="exists"):
        replace_folder(target, [("a", b""), ("a/b.py", b"")])
    assert content(tmp_path) == {"pack/a.py": "1"}


def test_what_a_block_wrote_is_undone_if_it_raises(tmp_path: Path) -> None:
    (tmp_path / "kept.py").write_text("1")
    paths = [tmp_path / name for name in ("kept.py", "new/deep/a.py")]

    def write_all(paths: list[Path]) -> None:
        with undoing(paths[:2]):
            for path in paths:
                write_file(path, b"2")

    with pytest.raises(FileExistsError):
        write_all([*paths, paths[1] / "below"])
    assert content(tmp_path) == {"kept.py": "1"}
    assert [p.name for p in tmp_path.iterdir()] == ["kept.py"]
    write_all(paths)
    assert paths[1].read_text() == "2"


def test_only_what_uploads_leave_is_tidied_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mark = "0123456789abcdef"
    kept = (".hidden.tmp", "a.tmp", f"{mark}.tmp", f".git/.x.{mark}.tmp", f"env/.x.{mark}.tmp", f".x.{mark[:-1]}.tmp")
    for name in (*kept, "env/pyvenv.cfg", f".x.{mark}.tmp", f"sub/.y.{mark}.old"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    clear_leftovers(tmp_path)
    assert content(tmp_path) == {n: n for n in (*kept, "env/pyvenv.cfg")} | {"sub/y": f"sub/.y.{mark}.old"}
    assert "the old one is back" in caplog.text
    clear_leftovers(tmp_path / "gone")
    assert "cannot look into the plugin folder" in caplog.text


def test_a_folder_that_cannot_be_exchanged_for_another_reason_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        uploads._exchange(tmp_path / "a", tmp_path / "b")
