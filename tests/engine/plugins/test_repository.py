"""Plugins from a repository: over http, from a folder, from git; kept for times without network."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.clock import Clock, SystemClock
from engine.errors import InvalidRequest, PluginError
from engine.plugins.archives import Limits
from engine.plugins.repository import Repository
from tests.engine.plugins.test_archives import targz_of, zip_of
from tests.support.clock import ManualClock
from tests.support.site import Site, serving_site

FILES = {"pack/__init__.py": b"from .work import x\n", "pack/work.py": b"x = 1\n", "pack/data.json": b"{}"}
NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site() as running:
        running.pages["/b.py"] = b"x = 1\n"
        yield running


def repository(base: str, folder: Path, clock: Clock | None = None, limits: Limits | None = None) -> Repository:
    return Repository(base, folder / "cache", clock or SystemClock(), limits)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files_in(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder.parent).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def failure(work: Callable[[], object]) -> str:
    with pytest.raises(PluginError) as caught:
        work()
    return str(caught.value)


# ---- single files


@pytest.mark.parametrize("end", ["", "/"])
def test_the_base_address_may_lack_its_last_slash(site: Site, tmp_path: Path, end: str) -> None:
    """B2.3"""
    site.pages["/base/a/b.py"] = b"x = 1\n"
    path = repository(f"{site.base}base{end}", tmp_path).fetch("gh:a/b.py")
    assert site.asked == ["/base/a/b.py"]
    assert (path.read_text(), path.name) == ("x = 1\n", "b.py")


def test_another_status_is_said_with_the_address(site: Site, tmp_path: Path) -> None:
    """B2.2"""
    text = failure(lambda: repository(site.base, tmp_path).fetch("gh:not_a_file.py"))
    assert text == f"error fetching plugin from repository: 404 Not Found {site.base}not_a_file.py"


def test_passwords_are_sent_and_not_shown(site: Site, tmp_path: Path) -> None:
    base = site.base.replace("://", "://me:secret@")
    text = failure(lambda: repository(base, tmp_path).fetch("gh:no.py"))
    assert text == f"error fetching plugin from repository: 404 Not Found {site.base}no.py"
    path = repository(base, tmp_path).fetch("gh:b.py")
    assert "secret" not in path.parent.with_suffix(".json").read_text()
    unreachable = failure(lambda: repository("http://me:secret@127.0.0.1:9/", tmp_path).fetch("gh:b.py"))
    assert unreachable.startswith("error getting plugin from repository: http://127.0.0.1:9/b.py: ConnectError: ")


def test_redirections_are_followed(site: Site, tmp_path: Path) -> None:
    site.pages |= {"/old.py": 302, "/moved": b"moved"}
    assert repository(site.base, tmp_path).fetch("gh:old.py").read_bytes() == b"moved"


def test_two_repositories_and_revisions_do_not_share_copies(tmp_path: Path) -> None:
    first, second = repository("http://a/", tmp_path), repository("http://b/", tmp_path)
    names = ("gh:x.py", "gh:x.py@v1", "gh:x.py@v2", "gh:x.py/")
    assert len({r.cached(name) for r in (first, second) for name in names}) == 8


def test_an_address_that_is_none_cannot_be_reached(tmp_path: Path) -> None:
    assert failure(lambda: repository("nonsense", tmp_path).fetch("gh:x.py")).startswith(
        "error getting plugin from repository: nonsense/x.py: "
    )


def test_what_was_fetched_is_recorded(site: Site, tmp_path: Path) -> None:
    clock = ManualClock()
    path = repository(site.base, tmp_path, clock).fetch("gh:b.py")
    assert json.loads(path.parent.with_suffix(".json").read_text()) == {
        "plugin": "gh:b.py",
        "repository": site.base,
        "sha256": sha256(b"x = 1\n"),
        "fetched_ns": clock.now_ns(),
    }


# ---- without network


def test_a_copy_needs_no_network(site: Site, tmp_path: Path) -> None:
    path = repository(site.base, tmp_path).fetch("gh:b.py")
    again = repository(site.base, tmp_path)
    assert again.get("gh:b.py") == path
    assert site.asked == ["/b.py"]


@pytest.mark.parametrize("status", [None, 500, 503, 429])
def test_while_a_repository_cannot_be_reached_the_copy_is_used(site: Site, tmp_path: Path, status: int | None) -> None:
    repo = repository(site.base, tmp_path)
    path = repo.fetch("gh:b.py")
    assert repo.note("gh:b.py") is None
    if status is None:
        site.server_close()
    else:
        site.pages["/b.py"] = status
    assert repo.fetch("gh:b.py") == path
    note = repo.note("gh:b.py")
    assert note is not None
    assert note.startswith(f"plugin gh:b.py cannot be fetched, the copy on disk is used: {status or site.base}")


def test_a_plugin_that_was_taken_away_is_not_replaced_by_its_copy(site: Site, tmp_path: Path) -> None:
    repo = repository(site.base, tmp_path)
    repo.fetch("gh:b.py")
    del site.pages["/b.py"]
    assert "404 Not Found" in failure(lambda: repo.fetch("gh:b.py"))
    assert repo.get("gh:b.py").read_bytes() == b"x = 1\n"


# ---- checksums


def test_a_checksum_holds_the_content(site: Site, tmp_path: Path) -> None:
    repo, name = repository(site.base, tmp_path), f"gh:b.py#sha256={sha256(b'x = 1' + bytes([10]))}"
    path = repo.fetch(name)
    site.pages["/b.py"] = b"evil = 1\n"
    assert repo.fetch(name) == path  # not asked for again
    assert len(site.asked) == 1
    path.write_bytes(b"changed on disk\n")
    text = f"error reading plugin from repository: {name} has another content: its checksum is sha256="
    assert failure(lambda: repo.get(name)) == text + sha256(b"evil = 1\n")
    site.server_close()
    assert failure(lambda: repo.get(name)).startswith("error getting plugin from repository: ")
    assert path.read_bytes() == b"changed on disk\n"


# ---- folders


@pytest.mark.parametrize(
    ("base", "page", "make"),
    [
        ("", "/pack.zip", zip_of),
        ("", "/pack.tar.gz", targz_of),
        ("archive/{revision}.tar.gz", "/archive/HEAD.tar.gz", targz_of),
        ("repository.zip", "/repository.zip", zip_of),
    ],
)
def test_a_folder_comes_in_an_archive(
    site: Site, tmp_path: Path, base: str, page: str, make: Callable[[dict[str, bytes]], bytes]
) -> None:
    site.pages[page] = make({f"repository-1/{name}": content for name, content in FILES.items()} if base else FILES)
    path = repository(site.base + base, tmp_path).fetch("gh:pack/")
    assert files_in(path) == FILES
    name = f"gh:pack/#sha256={json.loads(path.parent.with_suffix('.json').read_text())['sha256']}"
    path = repository(site.base + base, tmp_path).get(name)
    assert files_in(path) == FILES
    (path / "data.json").write_text("[]")
    site.pages[page] = make({name: content + b"#" for name, content in FILES.items()})
    assert "has another content" in failure(lambda: repository(site.base + base, tmp_path).get(name))


def test_a_folder_is_replaced_by_its_next_version(site: Site, tmp_path: Path) -> None:
    repo = repository(site.base, tmp_path)
    site.pages["/pack.zip"] = zip_of(FILES)
    repo.fetch("gh:pack/")
    site.pages["/pack.zip"] = zip_of({"pack/__init__.py": b"2"})
    assert files_in(repo.fetch("gh:pack/")) == {"pack/__init__.py": b"2"}


@pytest.mark.parametrize(
    ("archive", "name", "text"),
    [
        (zip_of({"a.py": b"", "b.py": b""}), "gh:pack/", "must contain __init__.py: gh:pack/"),
        (zip_of({"__init__.py": b"\xff"}), "gh:pack/", "gh:pack/ __init__.py: 'utf-8' codec can't decode"),
        (zip_of({}), "gh:pack/", "404 Not Found pack/ in "),
        (b"<html>", "gh:pack/", "the archive is damaged"),
        (zip_of({"a": b"", "a/b": b"", "__init__.py": b""}), "gh:pack/", "error keeping plugin from repository"),
        (404, "gh:pack/", "error fetching plugin from repository: 404 Not Found {base}pack.tar.gz"),
        (503, "gh:pack/", "error getting plugin from repository: 503 Service Unavailable {base}pack.zip"),
    ],
)
def test_archives_without_the_plugin_are_refused(
    site: Site, tmp_path: Path, archive: bytes | int, name: str, text: str
) -> None:
    site.pages["/pack.zip"] = archive
    assert text.format(base=site.base) in failure(lambda: repository(site.base, tmp_path).fetch(name))
    kept = tmp_path / "cache"
    assert not kept.exists() or not [p for p in kept.rglob("*") if p.is_file()]


def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(zip_of(FILES))
    repo = repository(f"file://{tmp_path}/all.zip", tmp_path)
    for name in ("gh:pack", "gh:pack/work.py/", "gh:gone.py"):
        assert "404 Not Found" in failure(lambda name=name: repo.fetch(name))  # type: ignore[misc]
    assert repo.fetch("gh:pack/work.py").read_bytes() == b"x = 1\n"


# ---- limits


def test_what_is_too_large_or_too_slow_is_given_up(site: Site, tmp_path: Path) -> None:
    site.pages["/big.py"] = b"#" * 5000
    site.endless.add("/big.py")
    repo = repository(site.base, tmp_path, limits=Limits(sent_bytes=1 << 20))
    assert "big.py is larger than 1 MiB" in failure(lambda: repo.fetch("gh:big.py"))

    class Running(ManualClock):
        """Ten seconds pass with each look."""

        def monotonic_ns(self) -> int:
            self.advance(10 * 10**9)
            return super().monotonic_ns()

    slow = repository(site.base, tmp_path, Running())
    assert "not complete after 30 seconds" in failure(lambda: slow.fetch("gh:big.py"))


# ---- this machine: folders and git


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    folder = tmp_path / "local"
    for name, content in FILES.items():
        (folder / "sub" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "sub" / name).write_bytes(content)
    (folder / "sub" / "a b.py").write_bytes(b"1")
    return folder


def test_a_folder_of_this_machine_is_copied(local: Path, tmp_path: Path) -> None:
    (local / "sub/pack/.hidden").write_text("")
    (local / "sub/pack/link.py").symlink_to("/etc/passwd")
    repo = repository(f"file://{local}/sub", tmp_path)
    assert files_in(repo.fetch("gh:pack/")) == FILES
    assert repo.fetch("gh:a b.py").read_bytes() == b"1"
    text = failure(lambda: repo.fetch("gh:gone/"))
    assert text == f"error fetching plugin from repository: 404 Not Found file://{local}/sub/gone/"
    small = repository(f"file://{local}/sub", tmp_path, limits=Limits(plugin_files=2))
    assert "too many files" in failure(lambda: small.fetch("gh:pack/"))


def test_a_revision_may_be_a_folder(local: Path, tmp_path: Path) -> None:
    repo = repository(f"file://{local}/{{revision}}", tmp_path)
    assert files_in(repo.fetch("gh:pack/@sub")) == FILES
    assert "404" in failure(lambda: repo.fetch("gh:pack/@v9"))


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.process
def test_revisions_of_a_git_repository(local: Path, tmp_path: Path) -> None:
    git(local, "init", "-q")
    git(local, "add", ".")
    git(local, "commit", "-qm", "1")
    git(local, "tag", "v1")
    (local / "sub" / "a b.py").write_bytes(b"2")
    (local / "sub" / "pack" / "work.py").unlink()
    git(local, "commit", "-qam", "2")
    for base in (f"file://{local}/sub", f"file://{local}/sub/"):
        repo = repository(base, tmp_path)
        assert repo.fetch("gh:a b.py@v1").read_bytes() == b"1"
        assert repo.fetch("gh:a b.py@HEAD").read_bytes() == b"2"
        assert files_in(repo.fetch("gh:pack/@v1")) == FILES
        assert "pack/work.py" not in files_in(repo.fetch("gh:pack/@HEAD"))
        assert f"404 Not Found (fatal: not a valid object name: v9) file://{local}/sub" in failure(
            lambda repo=repo: repo.fetch("gh:a b.py@v9")  # type: ignore[misc]
        )
        assert "404 Not Found" in failure(lambda repo=repo: repo.fetch("gh:gone.py@v1"))  # type: ignore[misc]
    with pytest.raises(InvalidRequest):
        repository(f"file://{local}", tmp_path).fetch("gh:a.py@--output=/tmp/x")
    assert "not a git repository" in failure(lambda: repository(f"file://{tmp_path}", tmp_path).fetch("gh:a.py@v1"))


def test_what_cannot_be_reached_was_never_there(tmp_path: Path) -> None:
    text = failure(lambda: repository(NOWHERE, tmp_path).fetch("gh:x.py"))
    assert text.startswith(f"error getting plugin from repository: {NOWHERE}x.py: ConnectError: ")
