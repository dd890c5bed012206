"""The snippets of the page on clients are parts of programs that are tested, its versions those that are fetched."""

import json
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CLIENTS = REPOSITORY / "tests" / "clients"
PAGE = (REPOSITORY / "docs" / "clients.md").read_text()
BLOCKS = re.findall(r"^## ([^\n]+)\n\n```\w+\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)

PROGRAMS = {
    "Python": "test_python_frames.py",
    "Go": "go/story.go",
    "JavaScript": "javascript/story.mjs",
    "Java": "java/src/main/java/Story.java",
    "Python, version 2": "test_python_v2.py",
}


def plain(code: str) -> str:
    """Return ``code`` without indentation and empty lines."""
    return "\n".join(line.strip() for line in code.splitlines() if line.strip())


def constrained(name: str) -> str:
    found = re.search(rf"^{name}==(.+)$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def version_of(client: str) -> str:
    if client == "Go":
        found = re.search(r"influxdb3-go/v2 v(\S+)", (CLIENTS / "go" / "go.mod").read_text())
    elif client == "Java":
        pattern = r"<artifactId>influxdb3-java</artifactId>\s*<version>(.+?)<"
        found = re.search(pattern, (CLIENTS / "java" / "pom.xml").read_text())
    else:
        dependencies = json.loads((CLIENTS / "javascript" / "package.json").read_text())["dependencies"]
        return ", ".join(version.rpartition("@")[2] for version in dependencies.values())
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("title", "code"), BLOCKS, ids=[title for title, _ in BLOCKS])
def test_a_snippet_is_part_of_a_tested_program(title: str, code: str) -> None:
    assert plain(code) in plain((CLIENTS / PROGRAMS[title]).read_text())


def test_each_language_has_a_snippet() -> None:
    assert [title for title, _ in BLOCKS] == list(PROGRAMS)


@pytest.mark.parametrize(
    ("client", "version"),
    [
        ("Python `influxdb3-python`", constrained("influxdb3-python")),
        ("Go `influxdb3-go/v2`", version_of("Go")),
        ("JavaScript `@influxdata/influxdb3-client`", version_of("JavaScript")),
        ("Java `influxdb3-java`", version_of("Java")),
        ("Python `influxdb-client` (version 2)", constrained("influxdb-client")),
        ("Python `influxdb` (version 1)", constrained("influxdb")),
    ],
)
def test_the_page_names_the_versions_that_are_fetched(client: str, version: str) -> None:
    assert f"| {client} | {version} |" in PAGE


def test_the_lock_file_names_no_host_of_packages() -> None:
    assert '"resolved"' not in (CLIENTS / "javascript" / "package-lock.json").read_text()
