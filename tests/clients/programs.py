"""The programs of the official clients in other languages: how each is made, and how it is started.

What package managers fetch and compilers make lies below ``.cache/clients`` of the repository, so that the next run finds it.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.clients.doors import Door

SOURCES = Path(__file__).parent
CACHE = SOURCES.parents[1] / ".cache" / "clients"
MOST_MAKING_S = 1500
"""So long a program may take to be fetched and compiled: two minutes of two idle cores for the largest."""
MOST_STORY_S = 180

_MOST_SHOWN = 4000


@dataclass(frozen=True)
class Language:
    """How the client of one language is made and started.

    Attributes:
        tools: what has to be installed.
        make: fetches and compiles; returns the words that start the program.
        folder: where its sources are, and what is made of them.
        has_nanoseconds: whether the client gives times as exactly as they are stored, not in milliseconds.
        lacks: the chapters of the story that it cannot tell.
        takes_authority: whether the file of an authority's certificate is an argument, not in the environment.
        more: arguments after the others.
    """

    tools: tuple[str, ...]
    make: Callable[[Path], Sequence[str]]
    folder: str
    has_nanoseconds: bool = True
    lacks: frozenset[str] = frozenset()
    takes_authority: bool = True
    more: tuple[str, ...] = ()


def _go(place: Path) -> Sequence[str]:
    go = _tool("go")
    assert go is not None
    flags = f"{os.environ.get('GOFLAGS', '')} -modcacherw -mod=readonly".strip()
    folders = {"GOMODCACHE": str(place / "modules"), "GOCACHE": str(place / "build"), "GOFLAGS": flags}
    _run([go, "build", "-o", str(place / "story"), "."], SOURCES / "go", folders)
    return [str(place / "story")]


def _javascript(place: Path) -> Sequence[str]:
    locked, installed = SOURCES / "javascript" / "package-lock.json", place / "package-lock.json"
    is_there = installed.exists() and installed.read_bytes() == locked.read_bytes() and (place / "is-complete").exists()
    for name in ("package.json", "package-lock.json", "story.mjs"):
        shutil.copy(SOURCES / "javascript" / name, place / name)
    if not is_there:
        (place / "is-complete").unlink(missing_ok=True)
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--cache", str(place / "npm"))
        _run(["npm", "ci", *options], place, {})
        (place / "is-complete").touch()
    return ["node", str(place / "story.mjs")]


def _java(place: Path) -> Sequence[str]:
    target = place / "target"
    options = ("-B", "-q", f"-Dmaven.repo.local={place / 'repository'}", f"-Dplace={target}")
    _run(["mvn", *options, "compile"], SOURCES / "java", {})
    opened = "--add-opens=java.base/java.nio=ALL-UNNAMED"  # Arrow reaches into it
    return ["java", opened, "-cp", f"{target / 'classes'}:{target / 'lib'}/*", "Story"]


_ONLY_GO = frozenset({"strict", "no_sync", "batched", "edges"})
"""Others cannot ask for ``accept_partial=false``, have no batches, no unsigned numbers; they use ``no_sync`` elsewhere."""

_JAVASCRIPT = Language(("node", "npm"), _javascript, "javascript", False, _ONLY_GO, takes_authority=False)

LANGUAGES = {
    "go": Language(("go",), _go, "go"),
    "java": Language(("java", "mvn"), _java, "java", lacks=_ONLY_GO | {"lines"}),
    "javascript": _JAVASCRIPT,
    "javascript 1": replace(_JAVASCRIPT, lacks=_ONLY_GO | {"reasons"}, more=("influxdb3-client-1",)),
}


@cache
def command(name: str) -> Sequence[str]:
    """Return the words that start the program of the language ``name``; skip the test where its tools are missing."""
    language = LANGUAGES[name]
    missing = [tool for tool in language.tools if _tool(tool) is None]
    if missing:
        pytest.skip(f"the {name} client needs {' and '.join(missing)}, which this machine does not have")
    place = CACHE / language.folder
    place.mkdir(parents=True, exist_ok=True)
    return tuple(language.make(place))


def told(name: str, door: Door, database: str) -> dict[str, Any]:
    """Return what the program of the language ``name`` tells of its story with the server behind ``door``."""
    words = [*command(name), door.url, door.token, database]
    environment = {}
    if door.authority is not None and LANGUAGES[name].takes_authority:
        words.append(str(door.authority))
    elif door.authority is not None:
        environment = dict.fromkeys(("NODE_EXTRA_CA_CERTS", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"), str(door.authority))
    words += LANGUAGES[name].more
    story: dict[str, Any] = json.loads(_run(words, SOURCES, environment, MOST_STORY_S))
    return story


def _tool(name: str) -> str | None:
    usual = (
        f"{os.environ.get('PATH', '')}:/usr/local/go/bin"  # where Go is by its own instructions, on no path by itself
    )
    return shutil.which(name, path=usual)


def _run(words: Sequence[str], folder: Path, variables: dict[str, str], most_s: float = MOST_MAKING_S) -> str:
    ended = subprocess.run(
        words, cwd=folder, env=os.environ | variables, capture_output=True, text=True, timeout=most_s, check=False
    )
    if ended.returncode != 0:
        said = f"{ended.stdout}\n{ended.stderr}".strip()
        pytest.fail(f"{' '.join(words[:2])} … ended with {ended.returncode}:\n{said[-_MOST_SHOWN:]}", pytrace=False)
    return ended.stdout
