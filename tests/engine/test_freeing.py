"""The space of removed files comes back in steps, once nobody has them open."""

import errno
import fcntl
import mmap
import os
import threading
from pathlib import Path

import pytest

from engine.freeing import STEP_BYTES, Freeing, free
from tests.support.engines import eventually

CONTENT = b"abcd" * (STEP_BYTES // 4 * 5 // 2)
"""Two steps and a half."""


def nameless(path: Path) -> int:
    """Return the descriptor of a file that has content and no name."""
    path.write_bytes(CONTENT)
    fd = os.open(path, os.O_WRONLY)
    path.unlink()
    return fd


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_a_file_that_nobody_has_goes_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fd = nameless(tmp_path / "file")
    sizes = []
    truncate = os.ftruncate
    monkeypatch.setattr(os, "ftruncate", lambda fd, size: (sizes.append(size), truncate(fd, size)))
    assert free(fd, rest_s=0)
    assert sizes == [STEP_BYTES * 3 // 2, STEP_BYTES // 2]
    assert not is_open(fd)


def test_a_file_that_got_another_name_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    fd = os.open(path, os.O_WRONLY)
    path.rename(tmp_path / "other")
    assert free(fd, rest_s=0)
    assert (tmp_path / "other").read_bytes() == CONTENT


def test_a_file_that_cannot_be_cut_off_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, size: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    fd = nameless(tmp_path / "file")
    monkeypatch.setattr(os, "ftruncate", refuse)
    assert free(fd, rest_s=0)
    assert not is_open(fd)


@pytest.mark.parametrize("is_mapped", [True, False], ids=["mapped", "open"])
def test_who_has_a_file_keeps_its_content(tmp_path: Path, is_mapped: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    other = path.open("rb")
    view = mmap.mmap(other.fileno(), 0, access=mmap.ACCESS_READ) if is_mapped else other
    if is_mapped:
        other.close()
    fd = os.open(path, os.O_WRONLY)
    path.unlink()
    assert not free(fd, rest_s=0)
    assert view.read() == CONTENT
    view.close()
    assert free(fd, rest_s=0)


def test_a_file_system_that_cannot_tell_who_has_a_file_gets_it_back_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, command: int, argument: int) -> int:
        raise OSError(errno.EINVAL, "no leases")

    fd = nameless(tmp_path / "file")
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    assert free(fd, rest_s=0)
    assert not is_open(fd)


def test_files_go_when_their_last_reader_does(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    freeing = Freeing()
    with path.open("rb") as other:
        read = os.open(path, os.O_WRONLY)
        path.unlink()
        freeing.take(read)
        unread = nameless(tmp_path / "another")
        freeing.take(unread)
        eventually(lambda: not is_open(unread))
        assert is_open(read)
        assert other.read() == CONTENT
    eventually(lambda: not is_open(read))


def test_its_thread_ends_when_there_is_nothing_to_do_and_another_one_begins(tmp_path: Path) -> None:
    freeing, before = Freeing(), set(threading.enumerate())
    for name in ("one", "two"):
        fd = nameless(tmp_path / name)
        freeing.take(fd)
        eventually(lambda fd=fd: not is_open(fd))
        eventually(lambda: not [thread for thread in threading.enumerate() if thread not in before])
