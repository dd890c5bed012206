"""Stories of commands as the specification of the command line tells them: what is typed, and what comes back."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Result, RunCli
from tests.support.listening import listening
from tests.support.web import Web, web

ANY = "…"
"""Stands for any text in what is expected."""

_ESCAPES = re.compile(r"\x1b\[\d+m")

PLUGIN = '''
def process_writes(influxdb3_local, table_batches, args=None):
    """Count what came."""
    for batch in table_batches:
        influxdb3_local.info("seen", batch["table_name"], args)
        line = LineBuilder("seen").tag("table", batch["table_name"]).int64_field("rows", len(batch["rows"]))
        influxdb3_local.write(line)


def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info(f"args are {args}")


def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    return {"args": args, "query": query_parameters, "body": request_body.decode()}
'''
"""``plugin.py`` in the plugin folder of each story."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and what it leaves behind.

    Attributes:
        words: the command behind ``influxdb3``, as a shell reads it; ``{name}`` stands for what ``keep`` kept before.
        stdout: expected output without line breaks at its end, ``…`` = any text; ``stderr`` likewise.
        stdin: ``None`` = a terminal.
        environment: variables for this command.
        keep: names for what groups of these names in a pattern find in the output.
    """

    words: str
    stdout: str = ""
    stderr: str = ""
    code: int = 0
    stdin: str | None = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    keep: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """Commands, one after the other, to a new server.

    Attributes:
        settings: attributes of the server's ``Settings``.
        files: texts of files in the folder in which the commands are given.
        plugins: texts of further files in the plugin folder.
    """

    steps: tuple[Step, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    plugins: Mapping[str, str] = field(default_factory=dict)


def told(name: str, *steps: Step, **rest: Any) -> Any:
    """Return a story as a parameter of a test, named by its rows (``CLI row 9``)."""
    return pytest.param(Story(steps, **rest), id=name)


@contextmanager
def server_of(story: Story, folder: Path) -> Iterator[tuple[Web, str]]:
    """Run the server of a story below ``folder``; yield it and where it listens."""
    folder.mkdir()
    with web(folder, **story.settings) as served:
        for name, text in ({"plugin.py": PLUGIN} | dict(story.plugins)).items():
            (served.plugins / name).write_text(text)
        with listening(served.engine) as url:
            yield served, url


def tell(story: Story, cli: RunCli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the commands of ``story`` in ``folder``, and hold what comes back against what is expected."""
    kept: dict[str, str] = {}
    for name, text in story.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for step in story.steps:
        run_step(step, cli, kept, monkeypatch)


def run_step(step: Step, cli: RunCli, kept: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Result:
    """Run one command; what it keeps goes into ``kept``."""
    fill = _filler(kept)
    with monkeypatch.context() as patched:
        for name, value in step.environment.items():
            patched.setenv(name, value)
        result = cli(*shlex.split(fill(step.words)), stdin=step.stdin)
    shown = f"influxdb3 {fill(step.words)}\n{result}"
    assert result.code == step.code, shown
    assert is_told(result.stdout, fill(step.stdout)), f"{shown}\nexpected: {fill(step.stdout)}"
    assert is_told(result.stderr, fill(step.stderr)), f"{shown}\nexpected: {fill(step.stderr)}"
    if step.keep:
        found = re.search(step.keep, _ESCAPES.sub("", result.stdout), re.MULTILINE)
        assert found, shown
        kept |= found.groupdict()
    return result


def is_told(text: str, expected: str) -> bool:
    """Return whether ``text`` is what ``expected`` says, apart from colours and the line breaks at its end."""
    pattern = ".*".join(re.escape(part) for part in expected.rstrip("\n").split(ANY))
    return re.fullmatch(pattern, _ESCAPES.sub("", text).rstrip("\n"), re.DOTALL) is not None


def _filler(kept: Mapping[str, str]) -> Callable[[str], str]:
    def fill(text: str) -> str:
        for name, value in kept.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    return fill
