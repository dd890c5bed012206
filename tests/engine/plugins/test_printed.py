"""What hosts print themselves."""

import os

import pytest

from engine.host.allowance import BURST_BYTES, Allowance
from engine.plugins.printed import Printed


@pytest.fixture
def pipe() -> tuple[Printed, int]:
    ours, theirs = os.pipe()
    return Printed(ours, "INFO", Allowance(0)), theirs


def test_lines_come_when_they_are_whole(pipe: tuple[Printed, int]) -> None:
    printed, theirs = pipe
    assert printed.read(0) == []
    os.write(theirs, b"one\ntw")
    assert printed.read(0) == ["one"]
    os.write(theirs, b"o\r\n\n\xff\0\n")
    assert printed.read(0) == ["two", "\\xff\\0"]
    os.close(theirs)
    assert printed.read(0) is None
    printed.close()
    printed.close()


def test_the_last_words_need_no_end_of_line(pipe: tuple[Printed, int]) -> None:
    printed, theirs = pipe
    os.write(theirs, b"one\nlast")
    os.close(theirs)
    assert printed.read_last(0) == ["one", "last"]
    assert printed.fd == -1
    assert printed.read_last(0) == []


def test_a_flood_is_dropped_and_counted(pipe: tuple[Printed, int]) -> None:
    printed, theirs = pipe
    line = b"x" * 99 + b"\n"
    kept = sum(len(printed.take(line * 1000, 0)) for _ in range(500))
    assert kept == BURST_BYTES // 199 + 1
    (notice,) = [text for text in printed.take(b"", 2_000_000_000) if "dropped" in text]
    assert "log lines" in notice
    assert "MB) were dropped" in notice
    os.close(theirs)
    printed.close()


def test_a_line_without_end_is_not_kept_for_ever(pipe: tuple[Printed, int]) -> None:
    printed, theirs = pipe
    for _ in range(3):
        printed.take(b"x" * 40_000, 0)
    assert len(printed.take(b"\n", 0)) == 1
    os.close(theirs)
    printed.close()
