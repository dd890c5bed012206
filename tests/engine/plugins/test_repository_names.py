"""What ``gh:…`` names, and where a repository has it."""

import pytest

from engine.errors import EngineError, InvalidRequest, PluginError
from engine.plugins.repository_names import (
    Archived,
    Folder,
    InGit,
    Location,
    RepositoryName,
    SingleFile,
    locate,
    parse_repository_name,
    shown,
)

RAW = "https://raw.githubusercontent.com/influxdata/influxdb3_plugins/main/"
SUM = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "path", "is_folder", "revision", "sha256"),
    [
        ("gh:a.py", "a.py", False, None, None),
        ("gh:influxdata/x/x.py@v1.2", "influxdata/x/x.py", False, "v1.2", None),
        ("gh:a/b/", "a/b", True, None, None),
        ("gh:a/b/@feature/x", "a/b", True, "feature/x", None),
        (f"gh:a.py#sha256={SUM}", "a.py", False, None, SUM),
        (f"gh:a.py@1.0+2#SHA256={SUM.upper()}", "a.py", False, "1.0+2", SUM),
        ("gh:/a.py", "a.py", False, None, None),
        ("gh:me@home/a.py@v1", "me@home/a.py", False, "v1", None),
    ],
)
def test_names_are_understood(text: str, path: str, is_folder: bool, revision: str | None, sha256: str | None) -> None:
    assert parse_repository_name(text) == RepositoryName(text, path, is_folder, revision, sha256)


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ("gh:", InvalidRequest, "names no file"),
        ("gh:///", InvalidRequest, "names no file"),
        ("gh:a\0.py", InvalidRequest, "names no file"),
        ("gh:a.py@", InvalidRequest, "'@' is no revision"),
        ("gh:a.py@--upload-pack=x", InvalidRequest, "is no revision"),
        ("gh:a.py@a..b", InvalidRequest, "is no revision"),
        ("gh:a.py@v 1", InvalidRequest, "is no revision"),
        ("gh:a.py#", InvalidRequest, "'#' is no checksum"),
        ("gh:a.py#sha256=12", InvalidRequest, "'#sha256=12' is no checksum, expected #sha256= and 64 hex digits"),
        (f"gh:a.py#md5={SUM}", InvalidRequest, "is no checksum"),
        ("gh:../a.py", PluginError, "Path traversal detected: plugin filename 'gh:../a.py'"),
        ("gh:a/../../b.py@v1", PluginError, "Path traversal detected"),
    ],
)
def test_names_that_are_none_are_refused(text: str, error: type[EngineError], reason: str) -> None:
    with pytest.raises(error) as caught:
        parse_repository_name(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("base", "name", "location"),
    [
        ("http://h/base", "gh:a/b.py", SingleFile("http://h/base/a/b.py")),
        ("http://h/base/", "gh:a/b.py", SingleFile("http://h/base/a/b.py")),
        ("http://h/", "gh:a b?.py", SingleFile("http://h/a%20b%3F.py")),
        ("http://h/", "gh:a%20b.py", SingleFile("http://h/a%20b.py")),
        ("http://h/", "gh:a/pack/", Archived(("http://h/a/pack.zip", "http://h/a/pack.tar.gz"), "")),
        ("http://h/{revision}/raw", "gh:a.py@v1", SingleFile("http://h/v1/raw/a.py")),
        ("http://h/{revision}/raw", "gh:a.py", SingleFile("http://h/HEAD/raw/a.py")),
        ("http://h/x/{revision}.tar.gz", "gh:a/pack/@v1", Archived(("http://h/x/v1.tar.gz",), "a/pack")),
        ("http://h/{revision}/x-{revision}.ZIP?a=1", "gh:a.py", Archived(("http://h/HEAD/x-HEAD.ZIP?a=1",), "a.py")),
        (RAW, "gh:a/b.py", SingleFile(f"{RAW}a/b.py")),
        (RAW, "gh:a/b.py@v1.2", SingleFile(RAW.replace("main", "v1.2") + "a/b.py")),
        (
            f"{RAW}sub",
            "gh:a/b/@v1",
            Archived(("https://codeload.github.com/influxdata/influxdb3_plugins/tar.gz/v1",), "sub/a/b"),
        ),
        (RAW, "gh:a/", Archived(("https://codeload.github.com/influxdata/influxdb3_plugins/tar.gz/main",), "a")),
        ("file:///p/q", "gh:a.py", SingleFile("file:///p/q/a.py")),
        ("file:///p/q", "gh:a/", Folder("file:///p/q/a")),
        ("file:///p/q", "gh:a.py@v1", InGit("file:///p/q/", "v1", "a.py")),
        ("file:///p/{revision}", "gh:a/@v1", Folder("file:///p/v1/a")),
        ("file:///p/q.zip", "gh:a/", Archived(("file:///p/q.zip",), "a")),
    ],
)
def test_each_kind_of_repository_has_its_places(base: str, name: str, location: Location) -> None:
    """B2.3, and revisions"""
    assert locate(base, parse_repository_name(name)) == location


@pytest.mark.parametrize("base", ["http://user:secret@h/base/", "http://h/base.zip"])
def test_a_revision_needs_a_place(base: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        locate(base, parse_repository_name("gh:a.py@v1"))
    assert "plugin 'gh:a.py@v1': the plugin repository http://h/base" in str(caught.value)
    assert "has no place for a revision; put {revision} into --plugin-repo" in str(caught.value)


def test_passwords_are_not_shown() -> None:
    assert shown("http://user:secret@h/a@b") == "http://h/a@b"
