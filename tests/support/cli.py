"""The command line, run in the process of the test."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from influxdb3_cli.app import main


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


RunCli = Callable[..., Result]


def cli_runner(monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes]) -> RunCli:
    """Return a function that runs ``influxdb3`` with its arguments; ``stdin=None`` stands for a terminal."""

    def run(*arguments: str, stdin: str | None = "") -> Result:
        stream = Terminal(io.BytesIO()) if stdin is None else io.TextIOWrapper(io.BytesIO(stdin.encode()))
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(SystemExit) as end:
            main(arguments)
        captured = capture.readouterr()
        assert isinstance(end.value.code, int)
        return Result(end.value.code, captured.out.decode(), captured.err.decode())

    return run
