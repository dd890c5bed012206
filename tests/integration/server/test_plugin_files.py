"""Processing engine §2: where the code of triggers comes from, and how it is replaced, over HTTP."""

import ast
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.clock import ManualClock
from tests.support.engines import eventually
from tests.support.site import serving_site
from tests.support.web import TRIGGERS, Web, told, web

FILES, FOLDER = "/api/v3/plugins/files", "/api/v3/plugins/directory"
FILE_TABLE = "system.plugin_files"
PLUGIN_ERROR = "Processing engine error: plugin error: "


def answers(value: str) -> str:
    return f"def process_request(influxdb3_local, query, headers, body, args=None):\n    return str({value})\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path, plugin_repo=f"file://{tmp_path}/repository") as served:
        served.engine.tables.create_database("foo")
        yield served


def ask(server: Web, path: str) -> str:
    answer = server.get(f"/api/v3/engine/{path}")
    assert answer.status_code == 200, answer.text
    return answer.text


def put(server: Web, trigger: str, content: str, parameters: str = "") -> httpx.Response:
    return server.send("PUT", f"{FILES}{parameters}", json={"plugin_name": trigger, "content": content})


def put_folder(server: Web, trigger: str, files: dict[str, str], parameters: str = "") -> httpx.Response:
    listed = [{"relative_path": name, "content": text} for name, text in files.items()]
    return server.send("PUT", f"{FOLDER}{parameters}", json={"plugin_name": trigger, "files": listed})


def package(server: Web, name: str, files: dict[str, str]) -> Path:
    folder = server.plugins / name
    for relative, text in files.items():
        (folder / relative).parent.mkdir(parents=True, exist_ok=True)
        (folder / relative).write_text(text)
    return folder


def everything(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def warnings_of(answer: httpx.Response) -> list[str]:
    return answer.headers.get_list("x-influxdb3-warning")


# ---- reload


def test_a_rewritten_file_is_what_the_next_request_runs(server: Web) -> None:
    """B2.14, B2.18"""
    server.trigger("t", "request:r", "r.py", "x = []\nx.append(1)\n" + answers("len(x)"))
    assert [ask(server, "r"), ask(server, "r")] == ["1", "1"]
    (server.plugins / "r.py").write_text(answers("'new'"))
    assert ask(server, "r") == "new"


@pytest.mark.parametrize("is_moved", [False, True])
def test_code_that_is_gone_goes_on(server: Web, is_moved: bool) -> None:
    """B2.15, for a file and for a folder"""
    server.trigger("t", "request:r", "r.py", answers("1"))
    package(server, "pack", {"__init__.py": "from .work import process_request\n", "work.py": answers("2")})
    server.trigger("u", "request:p", "pack")
    for _ in range(2):
        assert [ask(server, "r"), ask(server, "p")] == ["1", "2"]
        for name in ("r.py", "pack"):
            path = server.plugins / name
            if is_moved and path.exists():
                path.rename(path.with_name(f"old_{name}"))
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def test_code_that_was_not_there_since_the_start_is_named(tmp_path: Path) -> None:
    with web(tmp_path) as server:
        server.engine.tables.create_database("foo")
        server.trigger("t", "request:r", "r.py", answers("1"))
    (tmp_path / "plugins" / "r.py").unlink()
    with web(tmp_path) as server:
        answer = server.get("/api/v3/engine/r")
    assert answer.status_code == 500
    assert f"Plugin not found: {server.plugins}/r.py" in answer.text


def test_an_edited_module_of_a_folder_is_what_the_next_run_has(server: Web) -> None:
    """B2.7, B2.16: also deep down, with its old time and size, and when a module goes."""
    init = "from .deep.er import value\nfrom . import deep\n" + answers("(value, hasattr(deep, 'gone'))")
    files = {
        "__init__.py": init,
        "deep/__init__.py": "from . import gone",
        "deep/er.py": "value = 1",
        "deep/gone.py": "",
    }
    folder = package(server, "a/pack", files)
    package(server, "b/pack", {"__init__.py": answers("'other'")})
    server.trigger("t", "request:a", "a/pack")
    server.trigger("u", "request:b", "b/pack")
    assert [ask(server, "a"), ask(server, "b")] == ["(1, True)", "other"]  # B2.8
    before = (folder / "deep/er.py").stat()
    (folder / "deep/er.py").write_text("value = 2")
    os.utime(folder / "deep/er.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ask(server, "a") == "(2, True)"
    (folder / "deep/gone.py").unlink()
    (folder / "deep/__init__.py").write_text("")
    assert [ask(server, "a"), ask(server, "b")] == ["(2, False)", "other"]


# ---- update by trigger


def test_the_file_of_a_trigger_is_replaced(server: Web) -> None:
    """B2.22, B10.20"""
    server.trigger("t", "request:r", "r.py", answers("1"))
    assert ask(server, "r") == "1"
    assert told(put(server, "t", answers("2"), "?db=foo")) == (200, "")
    assert ask(server, "r") == "2"
    package(server, "pack", {"__init__.py": answers("3"), "utils.py": "kept"})
    server.trigger("u", "request:p", "pack")
    assert told(put(server, "u", answers("4"))) == (200, "")
    assert ask(server, "p") == "4"
    assert (server.plugins / "pack/utils.py").read_text() == "kept"


def test_what_replaces_a_file_may_bring_warnings(server: Web) -> None:
    server.trigger("t", "request:r", "r.py", answers("1"))
    answer = put(server, "t", "x = 1\n")
    assert answer.status_code == 200
    assert warnings_of(answer) == ["plugin r.py does not define process_request, which its trigger calls"]


@pytest.mark.parametrize(
    ("trigger", "parameters", "status", "text"),
    [
        ("no", "", 500, f"{PLUGIN_ERROR}Plugin not found: no"),
        ("t", "?db=no", 404, "database not found: no"),
        ("t", "?db=empty", 500, f"{PLUGIN_ERROR}Plugin not found: t"),
    ],
)
def test_triggers_that_are_not_there_are_not_updated(
    server: Web, trigger: str, parameters: str, status: int, text: str
) -> None:
    """B2.22"""
    server.engine.tables.create_database("empty")
    server.trigger("t", "request:r", "r.py", answers("1"))
    assert told(put(server, trigger, "", parameters)) == (status, text)
    assert told(put_folder(server, trigger, {"__init__.py": ""}, parameters)) == (status, text)
    assert (server.plugins / "r.py").read_text() == answers("1")


def test_a_name_in_several_databases_must_be_told_apart(server: Web) -> None:
    """Processing engine §10.2, 13"""
    server.engine.tables.create_database("bar")
    server.trigger("t", "request:r", "r.py", answers("1"))
    server.trigger("t", "request:s", "s.py", answers("1"), db="bar")
    text = "several databases have a trigger t, each with another plugin: bar, foo; name one of them, as in ?db=bar"
    assert told(put(server, "t", answers("2"))) == (400, text)
    assert put(server, "t", answers("2"), "?db=bar").status_code == 200
    assert [ask(server, "r"), ask(server, "s")] == ["1", "2"]
    server.trigger("same", "all_tables", "r.py")
    server.trigger("same", "all_tables", "r.py", db="bar")
    assert put(server, "same", answers("3")).status_code == 200
    server.delete("/api/v3/configure/database?db=bar")
    assert put(server, "t", answers("4")).status_code == 200
    assert ask(server, "r") == "4"


def test_the_folder_of_a_trigger_is_replaced_whole(server: Web) -> None:
    """B2.23"""
    folder = package(server, "pack", {"__init__.py": answers("1"), "old.py": "", "deep/old.py": ""})
    server.trigger("t", "request:r", "pack")
    assert ask(server, "r") == "1"
    files = {"__init__.py": "from .new.er import process_request\n", "new/er.py": answers("2")}
    assert told(put_folder(server, "t", files, "?db=foo")) == (200, "")
    assert everything(folder) == files
    assert ask(server, "r") == "2"
    assert [p.name for p in server.plugins.iterdir()] == ["pack"]


@pytest.mark.parametrize(
    ("files", "status", "text"),
    [
        ({"__init__.py": "", "../x.py": ""}, 500, f"{PLUGIN_ERROR}Path traversal detected: plugin filename '../x.py'"),
        ({"__init__.py": "", "/x.py": ""}, 500, f"{PLUGIN_ERROR}Path traversal detected: plugin filename '/x.py'"),
        ({"__init__.py": "", "a\0.py": ""}, 500, f"{PLUGIN_ERROR}writing plugin directory: embedded null byte"),
        ({"__init__.py": "", "a": "", "a/b.py": ""}, 500, f"{PLUGIN_ERROR}writing plugin directory: "),
        ({"__init__.py": "", "x" * 300: ""}, 500, f"{PLUGIN_ERROR}writing plugin directory: [Errno 36]"),
        ({"a.py": ""}, 400, "Multi-file plugin directory must contain __init__.py: pack"),
        ({}, 400, "Multi-file plugin directory must contain __init__.py: pack"),
    ],
)
def test_a_folder_that_cannot_be_written_stays_as_it_was(
    server: Web, files: dict[str, str], status: int, text: str
) -> None:
    """B2.23"""
    before = {"__init__.py": answers("1"), "utils.py": ""}
    folder = package(server, "pack", before)
    server.trigger("t", "request:r", "pack")
    answer = put_folder(server, "t", files)
    assert (answer.status_code, answer.text[: len(text)]) == (status, text)
    assert everything(folder) == before
    assert [p.name for p in server.plugins.iterdir()] == ["pack"]


def test_a_folder_does_not_replace_a_file(server: Web) -> None:
    """Processing engine §2.4"""
    server.trigger("t", "request:r", "r.py", answers("1"))
    answer = put_folder(server, "t", {"__init__.py": ""})
    assert told(answer) == (400, "plugin r.py is a single file, not a directory")
    assert everything(server.plugins) == {"r.py": answers("1")}


# ---- upload with a trigger, strict


def test_files_come_with_their_trigger(server: Web) -> None:
    files = {"pack/__init__.py": "from .work import process_request\n", "pack/work.py": answers("1")}
    assert told(server.trigger("t", "request:r", "pack", plugin_files=files)) == (200, "")
    assert ask(server, "r") == "1"
    assert everything(server.plugins) == files


NO_FUNCTION = "plugin r.py does not define process_request, which its trigger calls"


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        pytest.param({"db": "no"}, 404, "", id="no-database"),
        pytest.param({"trigger_name": "taken"}, 409, "", id="name-taken"),
        pytest.param({"strict": True}, 400, NO_FUNCTION, id="strict"),
        pytest.param({"plugin_filename": "other.py"}, 500, "Plugin error: reading plugin file", id="other-file"),
        pytest.param({"plugin_files": {"r.py": "x", "deep/a.py": "", "../b.py": ""}}, 500, "", id="traversal"),
        pytest.param({"plugin_files": {"r.py": "x", "deep/a.py": "", ".venv/b.py": ""}}, 400, "", id="hidden"),
        pytest.param({"plugin_files": {"r.py": "x", "deep/a.py": "", "deep": ""}}, 500, "", id="clash"),
    ],
)
def test_a_trigger_that_is_not_created_leaves_the_files_as_they_were(
    server: Web, changes: dict[str, Any], status: int, text: str
) -> None:
    """Processing engine §10.2, 17"""
    server.trigger("taken", "request:r", "r.py", answers("1"))
    before = server.get("/api/v3/configure/catalog").json()
    files = {"r.py": "x = 1\n", "deep/er/a.py": ""}
    answer = server.trigger("t", "request:new", "r.py", **{"plugin_files": files, **changes})
    assert (answer.status_code, text in answer.text) == (status, True)
    assert everything(server.plugins) == {"r.py": answers("1")}
    assert [p.name for p in server.plugins.iterdir()] == ["r.py"]
    assert server.get("/api/v3/configure/catalog").json() == before


def test_strict_refuses_what_is_a_warning_otherwise(server: Web) -> None:
    package(server, "pack", {"__init__.py": answers("1"), "broken.py": "def (:\n", "deep/worse.py": "  x\n"})
    problems = [
        "plugin pack: SyntaxError: invalid syntax (broken.py, line 1)",
        "plugin pack: IndentationError: unexpected indent (worse.py, line 1)",
    ]
    assert told(server.trigger("t", "request:r", "pack", strict=True)) == (400, "; ".join(problems))
    assert server.rows("SELECT * FROM system.processing_engine_triggers") == []
    answer = server.trigger("t", "request:r", "pack")
    assert (answer.status_code, warnings_of(answer)) == (200, problems)
    edit = {"db": "foo", "trigger_name": "t", "trigger_arguments": {"a": "1"}, "strict": True}
    assert told(server.send("PATCH", TRIGGERS, json=edit)) == (400, "; ".join(problems))


# ---- places


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("../x.py", 500, f"{PLUGIN_ERROR}Path traversal detected"),
        ("/etc/x.py", 500, f"{PLUGIN_ERROR}Path traversal detected"),
        ("up/x.py", 500, f"{PLUGIN_ERROR}Path traversal detected"),
        ("a\0.py", 500, f"{PLUGIN_ERROR}reading plugin file: embedded null byte"),
        ("x" * 300, 500, f"{PLUGIN_ERROR}writing plugin file: [Errno 36]"),
        (".venv/lib/x.py", 400, "plugin filename '.venv/lib/x.py' has the hidden part '.venv'"),
        ("a/.git/hooks/x", 400, "plugin filename 'a/.git/hooks/x' has the hidden part '.git'"),
        ("env/lib/x.py", 400, "plugin filename 'env/lib/x.py' is in the virtual environment "),
        (".", 400, "plugin filename '.' names no file"),
        ("", 400, "plugin filename '' names no file"),
        ("gh:x.py", 400, "plugin gh:x.py comes from a repository"),
    ],
)
def test_places_where_no_plugin_is_written(server: Web, tmp_path: Path, name: str, status: int, text: str) -> None:
    """B2.4"""
    (server.plugins / "env").mkdir()
    (server.plugins / "env" / "pyvenv.cfg").write_text("")
    (server.plugins / "up").symlink_to(tmp_path)
    before = everything(server.plugins)
    answer = server.post(FILES, json={"plugin_name": name, "content": "x"})
    assert (answer.status_code, answer.text[: len(text)]) == (status, text)
    assert everything(server.plugins) == before
    assert not (tmp_path / "x.py").exists()


def test_a_folder_may_be_named_like_a_file(server: Web) -> None:
    package(server, "x.py", {"__init__.py": "from . import y\n" + answers("y.value"), "y.py": "value = 7"})
    assert server.trigger("t", "request:r", "x.py").status_code == 200
    assert ask(server, "r") == "7"


def test_a_plugin_that_is_not_text_is_refused(server: Web) -> None:
    (server.plugins / "latin.py").write_bytes(b"# \xe9\n")
    answer = server.trigger("t", "request:r", "latin.py")
    assert answer.status_code == 500
    assert answer.text.startswith("Plugin error: reading plugin file: 'utf-8' codec can't decode")
    os.mkfifo(server.plugins / "pipe.py")
    answer = server.trigger("t", "request:r", "pipe.py")
    assert answer.text == f"Plugin error: reading plugin file: neither a file nor a directory: {server.plugins}/pipe.py"


# ---- what is told of plugins


def test_the_table_of_files_tells_versions_and_users(tmp_path: Path) -> None:
    """B10.3, B10.4, P11, P12, P13"""
    clock = ManualClock()
    with web(tmp_path, clock=clock) as server:
        server.engine.tables.create_database("foo")
        server.trigger("t", "request:r", "r.py", answers("1"))
        server.trigger("u", "all_tables", "r.py")
        package(server, "pack", {"__init__.py": answers("2"), "models/__init__.py": "", "models/bad.py": "def (:\n"})
        server.trigger("v", "request:p", "pack")
        ask(server, "r")
        rows = server.rows("SELECT * FROM system.plugin_files", "_internal")
    five = ["plugin_name", "file_name", "file_path", "size_bytes", "last_modified"]
    assert list(rows[0])[:5] == five
    named = {(row["plugin_name"], row["file_name"]): row for row in rows}
    assert list(named) == [
        ("t", "r.py"),
        ("u", "r.py"),
        ("v", "__init__.py"),
        ("v", "models/__init__.py"),
        ("v", "models/bad.py"),
    ]
    single, main, bad = named["t", "r.py"], named["v", "__init__.py"], named["v", "models/bad.py"]
    assert (single["size_bytes"], single["last_modified"] > 0) == (len(answers("1")), True)
    assert (single["database_name"], single["plugin_filename"], main["plugin_filename"]) == ("foo", "r.py", "pack")
    assert single["content_hash"] == single["plugin_hash"] == named["u", "r.py"]["plugin_hash"]
    assert len({row["content_hash"] for row in rows}) == 4
    assert main["plugin_hash"] == bad["plugin_hash"] != main["content_hash"]
    assert (single["entry_points"], bad["entry_points"]) == ("process_request", "")
    assert single["loaded"] == "2026-11-21T12:00:00"
    assert "loaded" not in main
    assert (single.get("problem"), bad["problem"]) == (None, "SyntaxError: invalid syntax (bad.py, line 1)")


def test_what_a_killed_server_left_is_tidied_up(tmp_path: Path) -> None:
    """B2.23: the old plugin or the new one, and nothing else."""
    plugins = tmp_path / "plugins"
    mark = "0123456789abcdef"
    for name in (f".pack.{mark}.old", "deep/.part", f"deep/.new.{mark}.tmp", "done", f".done.{mark}.old", ".venv"):
        (plugins / name).mkdir(parents=True)
        (plugins / name / "__init__.py").write_text(answers(f"'{name[:5]}'"))
    (plugins / f"deep/.x.py.{mark}.tmp").write_text("half")
    with web(tmp_path) as server:
        server.engine.tables.create_database("foo")
        assert server.trigger("t", "request:r", "pack").status_code == 200
        assert ask(server, "r") == ".pack"
    assert sorted(p.name for p in plugins.rglob("*") if p.is_dir()) == [".part", ".venv", "deep", "done", "pack"]
    assert not list(plugins.rglob("*.tmp"))


# ---- gh:


def test_a_plugin_of_a_repository_survives_without_it(tmp_path: Path) -> None:
    """Annex A, "Git distribution": a restart needs no network, and changes no code."""
    with serving_site() as site:
        site.pages |= {"/x/r.py": answers("1").encode()}
        with web(tmp_path, plugin_repo=site.base) as server:
            server.engine.tables.create_database("foo")
            assert told(server.trigger("t", "request:r", "gh:x/r.py")) == (200, "")
            assert ask(server, "r") == "1"
            (row,) = server.rows("SELECT * FROM system.plugin_files", "_internal")
            assert row["file_name"] == row["plugin_filename"] == "gh:x/r.py"
            assert row["file_path"].startswith(str(server.engine.paths.plugin_cache))
            pinned = f"gh:x/r.py#sha256={row['plugin_hash']}"
            assert told(server.trigger("u", "request:u", pinned))[0] == 200
        site.pages["/x/r.py"] = answers("2").encode()
        with web(tmp_path, plugin_repo=site.base) as server:
            assert [ask(server, "r"), ask(server, "u"), len(site.asked)] == ["1", "1", 2]
            assert server.post(f"{TRIGGERS}/disable?db=foo&trigger_name=t").status_code == 200
            assert server.post(f"{TRIGGERS}/enable?db=foo&trigger_name=t").status_code == 200
            assert [ask(server, "r"), ask(server, "u"), len(site.asked)] == ["2", "1", 3]
            (copy,) = {
                r["file_path"] for r in server.rows(f"SELECT * FROM {FILE_TABLE} WHERE plugin_name = 'u'", "_internal")
            }
            Path(copy).write_text(answers("'evil'"))
            refused = server.get("/api/v3/engine/u")
            assert (refused.status_code, "is not on disk; it is being fetched" in refused.text) == (500, True)
        base = site.base
    with web(tmp_path, plugin_repo=base) as server:
        assert ask(server, "r") == "2"
        answer = server.trigger("v", "request:v", "gh:x/r.py")
        assert answer.status_code == 200
        (warning,) = warnings_of(answer)
        assert warning.startswith("plugin gh:x/r.py cannot be fetched, the copy on disk is used: ")
        refused = server.trigger("w", "request:w", "gh:y.py")
        assert refused.status_code == 500
        assert refused.text.startswith("Plugin error: error getting plugin from repository: ")


def test_a_lost_copy_is_fetched_at_the_start_and_while_running(tmp_path: Path) -> None:
    with serving_site() as site:
        site.pages |= {"/r.py": answers("1").encode()}
        with web(tmp_path, plugin_repo=site.base) as server:
            server.engine.tables.create_database("foo")
            server.trigger("t", "request:r", "gh:r.py")
            cache = server.engine.paths.plugin_cache
        shutil.rmtree(cache)
        with web(tmp_path, plugin_repo=site.base) as server:
            assert ask(server, "r") == "1"
        shutil.rmtree(cache)
        site.pages["/r.py"] = 503
        with web(tmp_path, plugin_repo=site.base) as server:
            site.pages["/r.py"] = answers("2").encode()
            answer = server.get("/api/v3/engine/r")
            assert (answer.status_code, "gh:r.py is not on disk; it is being fetched" in answer.text) == (500, True)
            assert eventually(lambda: server.get("/api/v3/engine/r").text == "2")


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("gh:gone.py", 500, "Plugin error: error fetching plugin from repository: 404 Not Found file://"),  # B2.2
        ("gh:a.py@v 1", 400, "plugin 'gh:a.py@v 1': '@v 1' is no revision"),
        ("gh:a.py#sha1=1", 400, "plugin 'gh:a.py#sha1=1': '#sha1=1' is no checksum"),
        ("gh:../a.py", 500, "Plugin error: Path traversal detected"),
        ("gh:", 400, "plugin 'gh:' names no file"),
    ],
)
def test_a_plugin_that_no_repository_has_makes_no_trigger(server: Web, name: str, status: int, text: str) -> None:
    answer = server.trigger("t", "request:r", name)
    assert (answer.status_code, answer.text[: len(text)]) == (status, text)
    assert server.rows("SELECT * FROM system.processing_engine_triggers") == []


def test_a_folder_of_a_repository_runs_as_a_package(server: Web, tmp_path: Path) -> None:
    package(server, "../repository/x/pack", {"__init__.py": "from .work import *\n", "work.py": answers("__name__")})
    assert server.trigger("t", "request:r", "gh:x/pack/", strict=True).status_code == 200
    assert ask(server, "r").endswith(".work")
    folder = tmp_path / "repository/x/pack"
    (folder / "data.json").write_text("{}")
    command = "find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    said = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True).stdout.split()[
        0
    ]
    assert server.trigger("pinned", "request:p", f"gh:x/pack/#sha256={said}").status_code == 200
    sql = f"SELECT DISTINCT plugin_hash FROM {FILE_TABLE} WHERE plugin_name = 'pinned'"
    assert server.rows(sql, "_internal") == [{"plugin_hash": said}]
    assert ask(server, "p").endswith(".work")
    (path,) = [p for p in server.engine.paths.plugin_cache.glob("*/pack/work.py") if (p.parent / "data.json").exists()]
    path.write_text(answers("'evil'"))
    assert "is not on disk; it is being fetched" in server.get("/api/v3/engine/p").text
    assert eventually(lambda: "evil" not in path.read_text())
    package(server, "../repository/x/pack", {"work.py": answers("2")})
    server.post(f"{TRIGGERS}/disable?db=foo&trigger_name=t")
    server.post(f"{TRIGGERS}/enable?db=foo&trigger_name=t")
    assert ask(server, "r") == "2"
    assert put(server, "t", "").text == "plugin gh:x/pack/ comes from a repository and cannot be written"


def test_runs_have_the_old_folder_or_the_new_while_it_is_replaced(server: Web) -> None:
    """B2.23: under requests without pause."""

    def version(number: int) -> dict[str, str]:
        init = (
            "from .utils import value\nfrom . import more\n" + answers("(value, more.value, own)") + f"own = {number}\n"
        )
        return {"__init__.py": init, "utils.py": f"value = {number}", "more.py": f"value = {number}"}

    package(server, "pack", version(0))
    server.trigger("t", "request:r", "pack")
    newest = []

    def replace() -> None:
        for number in range(1, 16):
            server.engine.update_plugin_folder("t", list(version(number).items()))
            newest.append(number)

    replacing = threading.Thread(target=replace)
    replacing.start()
    seen = set()
    while replacing.is_alive():
        at_least = len(newest)
        one, other, own = ast.literal_eval(ask(server, "r"))
        assert one == other == own >= at_least
        seen.add(own)
    replacing.join()
    assert ask(server, "r") == "(15, 15, 15)"
    assert len(seen) > 1
