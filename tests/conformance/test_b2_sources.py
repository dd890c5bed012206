"""Checklist B2: where plugins come from, how they are loaded, and how they change."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.checklist import row
from tests.support.cli import RunCli
from tests.support.scene import QUICK, REQUESTS, WRITES, Scene, indented, write_files
from tests.support.scripted_server import Reply, ScriptedServer, scripted_server
from tests.support.web import Web, told, web

FILES = "/api/v3/plugins/files"
FOLDER = "/api/v3/plugins/directory"
TRAVERSAL = "Path traversal detected: plugin filename '{}' attempts to access files outside the plugin directory"
IMPORT = (
    "Failed to import plugin module '{}': {}\nHint: Check for syntax errors or missing dependencies in Python files."
)
MISSING = "is not present in the plugin"


def answering(text: str) -> str:
    return f"{REQUESTS}    return {text!r}\n"


def text_of(scene: Scene, target: str) -> str:
    answer = scene.web.post(target)
    assert answer.status_code == 200, answer.text
    return answer.text


def error_of(scene: Scene, target: str) -> str:
    answer = scene.web.post(target)
    assert answer.status_code == 500
    text: str = answer.json()["error"]
    return text


def package_endpoint(scene: Scene, files: dict[str, str], name: str = "package") -> str:
    """Make a request trigger of a plugin folder; return where it answers."""
    folder = scene.package(files, name)
    scene.ask_trigger(f"request:{scene.database}/{name}", folder, name)
    return f"/api/v3/engine/{scene.database}/{name}"


@row("B2.1")
def test_a_file_that_is_missing(plain: Scene) -> None:
    path = plain.web.plugins / "nowhere.py"
    text = f"Plugin error: reading plugin file: Plugin not found: {path}"
    assert told(plain.ask_trigger("all_tables", "nowhere.py")) == (500, text)
    assert plain.triggers() == []


@pytest.fixture
def repository() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@row("B2.2")
def test_a_file_that_the_repository_does_not_have(tmp_path: Path, repository: ScriptedServer) -> None:
    repository.replies.extend([Reply(404)] * 9)
    with web(tmp_path, plugin_repo=f"{repository.url}/", **QUICK) as served:
        answer = Scene(served).ask_trigger("all_tables", "gh:not_a_file.py")
        assert answer.status_code == 500
        assert answer.text.startswith("Plugin error: error fetching plugin from repository: 404 Not Found")
        assert "not_a_file.py" in answer.text


@row("B2.3")
@pytest.mark.parametrize("slash", ["", "/"], ids=["no slash", "slash"])
def test_the_address_of_the_repository_with_and_without_slash(
    tmp_path: Path, repository: ScriptedServer, slash: str
) -> None:
    repository.replies.extend([Reply(200, answering("from afar").encode())] * 9)
    with web(tmp_path, plugin_repo=f"{repository.url}/base{slash}", **QUICK) as served:
        scene = Scene(served)
        scene.trigger_of("request:r", "gh:a/b.py")
        assert text_of(scene, "/api/v3/engine/r") == "from afar"
    assert {request.path for request in repository.requests} == {"/base/a/b.py"}


@row("B2.4")
@pytest.mark.parametrize("name", ["../x.py", "/etc/x.py", "a/../../x.py", "{}_link.py", "{}_up/x.py", "{}_up/new.py"])
def test_names_that_lead_out_of_the_plugin_folder(plain: Scene, name: str) -> None:
    outside, name = plain.web.plugins.parent / "outside", name.format(plain.database)
    outside.mkdir(exist_ok=True)
    (outside / "x.py").write_text(answering("secret"))
    (plain.web.plugins / f"{plain.database}_link.py").symlink_to(outside / "x.py")
    (plain.web.plugins / f"{plain.database}_up").symlink_to(outside)
    text = TRAVERSAL.format(name)
    assert told(plain.ask_trigger("request:out", name)) == (500, f"Plugin error: {text}")
    sent = plain.web.post(FILES, json={"plugin_name": name, "content": "changed"})
    assert told(sent) == (500, f"Processing engine error: plugin error: {text}")
    run = {"filename": name, "database": plain.database}
    for kind, more in (("wal", {"input_lp": "m v=1"}), ("schedule", {})):
        assert told(plain.web.post(f"/api/v3/plugin_test/{kind}", json=run | more)) == (500, f"Plugin error: {text}")
    assert plain.triggers() == []
    assert (outside / "x.py").read_text() == answering("secret")
    assert [path.name for path in outside.iterdir()] == ["x.py"]
    assert not (plain.web.plugins.parent / "x.py").exists()


@row("B2.5")
def test_an_upload_brings_its_folders(plain: Scene) -> None:
    name = f"{plain.database}/b/c.py"
    assert told(plain.web.post(FILES, json={"plugin_name": name, "content": answering("deep")})) == (200, "")
    assert (plain.web.plugins / name).read_text() == answering("deep")
    plain.trigger_of(f"request:{plain.database}", name)
    assert text_of(plain, f"/api/v3/engine/{plain.database}") == "deep"


@row("B2.6")
def test_a_folder_that_is_no_package(plain: Scene) -> None:
    folder = plain.package({"utils.py": "x = 1\n"})
    path = plain.web.plugins / folder
    text = f"reading plugin file: Multi-file plugin directory must contain __init__.py: {path}"
    assert told(plain.ask_trigger("all_tables", folder)) == (500, f"Plugin error: {text}")
    assert plain.triggers() == []


@row("B2.6")
def test_the_command_refuses_such_a_folder_before_it_sends_anything(cli: RunCli) -> None:
    write_files(Path("bare"), {"utils.py": "x = 1\n"})
    with scripted_server() as nobody:
        options = ("-d", "foo", "-H", nobody.url, "--trigger-spec", "all_tables", "--path", "bare", "--upload")
        ended = cli("create", "trigger", "t", *options)
        assert (ended.code, ended.stdout, nobody.requests) == (1, "", [])
    assert "Multi-file plugin directory must contain __init__.py: bare" in ended.stderr


@row("B2.7")
def test_the_parts_of_a_package_import_one_another(scene: Scene) -> None:
    files = {
        "__init__.py": "from .utils import double\nfrom .models.processor import Processor\n"
        + WRITES
        + "    for batch in table_batches:\n        influxdb3_local.info(Processor().run(batch), double(4))\n",
        "utils.py": "def double(x):\n    return 2 * x\n",
        "models/__init__.py": "",
        "models/processor.py": "from ..utils import double\nfrom . import names\n\n\nclass Processor:\n"
        "    def run(self, batch):\n        return names.PREFIX + str(double(len(batch['rows'])))\n",
        "models/names.py": "PREFIX = 'rows doubled: '\n",
    }
    scene.trigger_of("table:a", scene.package(files))
    scene.write("a v=1 1\na v=2 2\na v=3 3")
    assert scene.logged(1) == ["INFO rows doubled: 6 8"]


@row("B2.8")
def test_two_packages_of_one_name_load_at_the_same_time(scene: Scene) -> None:
    targets = []
    for parent in ("one", "two"):
        folder = f"{scene.database}_{parent}/plugin"
        code = f"import time\ntime.sleep(0.02)\nfrom .part import text\n{REQUESTS}    return text\n"
        write_files(scene.web.plugins / folder, {"__init__.py": code, "part.py": f"text = {parent!r}\n"})
        scene.trigger_of(f"request:{scene.database}/{parent}", folder, parent)
        targets.append(f"/api/v3/engine/{scene.database}/{parent}")

    async def at_once() -> list[str]:
        answers = await asyncio.gather(*(scene.web.client.post(target) for target in targets * 3))
        return [answer.text for answer in answers]

    assert scene.web.run(at_once()) == ["one", "two"] * 3


@row("B2.9")
def test_a_part_that_comes_after_a_failure_is_found(scene: Scene) -> None:
    target = package_endpoint(scene, {"__init__.py": f"from .late import text\n{REQUESTS}    return text\n"})
    assert error_of(scene, target).startswith(f"Failed to import plugin module '{scene.database}_package': ")
    scene.package({"late/__init__.py": "text = 'in time'\n"})
    assert text_of(scene, target) == "in time"


@row("B2.9")
def test_a_folder_that_comes_after_a_failure_is_found(scene: Scene) -> None:
    target = package_endpoint(scene, {"__init__.py": "import nothing_of_this_name\n"})
    folder = scene.web.plugins / f"{scene.database}_package"
    folder.rename(folder.with_name(f"{folder.name}.old"))
    error_of(scene, target)
    scene.package({"__init__.py": answering("there")})
    assert text_of(scene, target) == "there"


@row("B2.10")
def test_a_missing_dependency_is_named_and_the_code_ran_once(scene: Scene, tmp_path: Path) -> None:
    note = tmp_path / "ran"
    code = f"with open({str(note)!r}, 'a') as note:\n    note.write('x')\nimport no_such_dependency\n{answering('x')}"
    target = package_endpoint(scene, {"__init__.py": code})
    error = "ModuleNotFoundError: No module named 'no_such_dependency'"
    assert error_of(scene, target) == IMPORT.format(f"{scene.database}_package", error)
    assert note.read_text() == "x"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param("raise AttributeError('mine')\n", "AttributeError: mine", id="B2.11"),
        pytest.param("import os\nos.no_such_thing\n", "AttributeError: module 'os' has no attribute", id="B2.11 of os"),
        pytest.param("def broken(:\n", "SyntaxError: invalid syntax", id="B2.12"),
        pytest.param("from .part import x\n", "SyntaxError: invalid syntax", id="B2.12 in a part"),
    ],
)
def test_a_package_that_cannot_be_imported_says_why(scene: Scene, code: str, error: str) -> None:
    target = package_endpoint(scene, {"__init__.py": code + answering("x"), "part.py": "def broken(:\n"})
    text = error_of(scene, target)
    assert text.startswith(f"Failed to import plugin module '{scene.database}_package': {error}")
    assert text.endswith("\nHint: Check for syntax errors or missing dependencies in Python files.")
    assert MISSING not in text


@row("B2.13")
def test_a_package_without_the_function(scene: Scene) -> None:
    target = package_endpoint(scene, {"__init__.py": WRITES + "    pass\n"})
    assert error_of(scene, target) == (
        "the process_request function is not present in the plugin. Should be defined as: "
        "process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None)"
        " -> Tuple[str, Optional[Dict[str, str]]]"
    )


@row("B2.14")
def test_a_file_that_is_rewritten_is_new_at_the_next_request(scene: Scene) -> None:
    target = scene.endpoint(answering("0"))
    for text in ("1", "2", "three"):
        scene.plugin(answering(text), "r.py")
        assert text_of(scene, target) == text


@row("B2.15")
def test_a_file_that_is_deleted_goes_on_from_memory(scene: Scene) -> None:
    target = scene.endpoint(answering("alive"))
    assert text_of(scene, target) == "alive"
    (scene.web.plugins / f"{scene.database}_r.py").unlink()
    assert [text_of(scene, target) for _ in range(2)] == ["alive"] * 2


@row("B2.15")
def test_a_file_that_is_deleted_before_its_first_run_goes_on_too(scene: Scene) -> None:
    target = scene.endpoint(answering("alive"))
    (scene.web.plugins / f"{scene.database}_r.py").unlink()
    assert text_of(scene, target) == "alive"


@row("B2.16", "A: reload of folders")
def test_an_edited_part_of_a_package_is_new_at_the_next_run(scene: Scene) -> None:
    init = f"from .utils import text\nfrom .models import deep\n{REQUESTS}    return text + deep\n"
    files = {"__init__.py": init, "utils.py": "text = 'a'\n", "models/__init__.py": "deep = 'x'\n"}
    target = package_endpoint(scene, files)
    seen = [text_of(scene, target)]
    for part, code in (("utils.py", "text = 'b'\n"), ("models/__init__.py", "deep = 'y'\n")):
        scene.package({part: code})
        seen.append(text_of(scene, target))
    assert seen == ["ax", "bx", "by"]


@row("B2.17")
def test_the_names_of_a_plugin_stay_with_it(scene: Scene) -> None:
    name = f"fa_{scene.database}"
    top = f"def {name}():\n    return 1\n"
    assert scene.told(f"return [{name}()]", top=top) == [1]
    body = f"""
    import __main__, builtins
    return [{name!r} in globals(), hasattr(__main__, {name!r}), hasattr(builtins, {name!r})]
    """
    assert scene.told(body) == [False, False, False]


@row("B2.18")
def test_the_top_level_of_a_file_runs_each_time(scene: Scene) -> None:
    target = scene.endpoint("x = []\n" + REQUESTS + indented("x.append(1)\nreturn str(len(x))\n"))
    assert [text_of(scene, target) for _ in range(3)] == ["1", "1", "1"]


@row("B2.19")
def test_an_upload_replaces_what_is_there(plain: Scene) -> None:
    name = f"{plain.database}_sent.py"
    for text in ("long before", "after"):
        sent = {"plugin_name": name, "content": answering(text)}
        assert told(plain.web.post(FILES, json=sent)) == (200, "")
        assert (plain.web.plugins / name).read_text() == answering(text)


@row("B2.20")
def test_a_file_from_a_folder_above_lands_in_the_plugin_folder(plain: Scene, connected: RunCli, tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    name = f"{plain.database}_escape_test.py"
    (tmp_path / name).write_text(answering("escaped"))
    options = ("-d", plain.database, "--trigger-spec", f"request:{plain.database}", "--upload")
    ended = connected("create", "trigger", "t", *options, "--path", f"below/../{name}")
    assert (ended.code, ended.stdout) == (0, "Trigger t created successfully\n")
    assert (plain.web.plugins / name).read_text() == answering("escaped")
    assert not (plain.web.plugins.parent / name).exists()
    assert plain.triggers()[0]["plugin_filename"] == name
    assert text_of(plain, f"/api/v3/engine/{plain.database}") == "escaped"


@row("B2.21")
def test_an_upload_needs_a_plugin_folder(tmp_path: Path) -> None:
    with web(tmp_path, plugin_dir=None, virtual_env_location=None) as served:
        served.engine.tables.create_database("foo")
        calls = [
            served.post(FILES, json={"plugin_name": "p.py", "content": ""}),
            served.send("PUT", FILES, json={"plugin_name": "t", "content": ""}),
            served.send("PUT", FOLDER, json={"plugin_name": "t", "files": []}),
        ]
        assert [answer.status_code for answer in calls] == [500] * len(calls)
        assert ["No plugin directory configured" in answer.text for answer in calls] == [True] * len(calls)


def update(served: Web, name: str, content: str) -> tuple[int, str]:
    return told(served.send("PUT", FILES, json={"plugin_name": name, "content": content}))


@row("B2.22")
def test_the_file_of_a_trigger_is_updated(scene: Scene) -> None:
    trigger = f"{scene.database}_t"
    target = scene.endpoint(answering("before"), trigger)
    assert text_of(scene, target) == "before"
    assert update(scene.web, trigger, answering("after")) == (200, "")
    assert text_of(scene, target) == "after"
    assert (scene.web.plugins / f"{scene.database}_{trigger}.py").read_text() == answering("after")


@row("B2.22")
def test_of_a_folder_only_the_package_file_is_updated(scene: Scene) -> None:
    name = f"{scene.database}_p"
    target = package_endpoint(scene, {"__init__.py": answering("before"), "utils.py": "text = 'kept'\n"}, name)
    assert text_of(scene, target) == "before"
    assert update(scene.web, name, f"from .utils import text\n{REQUESTS}    return text\n") == (200, "")
    assert text_of(scene, target) == "kept"
    folder = scene.web.plugins / f"{scene.database}_{name}"
    assert (folder / "utils.py").read_text() == "text = 'kept'\n"


@row("B2.22")
def test_a_trigger_that_is_not_there_has_no_file(plain: Scene) -> None:
    status, text = update(plain.web, "never_made", "")
    assert status in (404, 500)
    assert text.endswith("Plugin not found: never_made")


@row("B2.23")
def test_the_folder_of_a_trigger_is_replaced_whole(scene: Scene) -> None:
    name = f"{scene.database}_p"
    target = package_endpoint(scene, {"__init__.py": answering("before"), "old.py": "", "sub/old.py": ""}, name)
    assert text_of(scene, target) == "before"
    files = {"__init__.py": f"from .new.part import text\n{REQUESTS}    return text\n", "new/part.py": "text = 'new'\n"}
    assert replace(scene, name, files) == (200, "")
    assert text_of(scene, target) == "new"
    folder = scene.web.plugins / f"{scene.database}_{name}"
    assert python_files(folder) == {"__init__.py", "new/part.py"}
    left = [path.name for path in scene.web.plugins.iterdir() if path.name.startswith(f"{folder.name}.")]
    assert [path for path in left if path.endswith((".tmp", ".old"))] == []


@row("B2.23")
@pytest.mark.parametrize("path", ["../escape.py", "/etc/escape.py", "a/../../escape.py"])
def test_a_path_that_leads_out_changes_nothing(plain: Scene, path: str) -> None:
    name = f"{plain.database}_p"
    target = package_endpoint(plain, {"__init__.py": answering("before"), "old.py": ""}, name)
    status, text = replace(plain, name, {"__init__.py": answering("after"), path: ""})
    assert status in (400, 500)
    assert "Path traversal detected" in text
    assert text_of(plain, target) == "before"
    assert python_files(plain.web.plugins / f"{plain.database}_{name}") == {"__init__.py", "old.py"}


def replace(scene: Scene, name: str, files: dict[str, str]) -> tuple[int, str]:
    listed = [{"relative_path": path, "content": text} for path, text in files.items()]
    return told(scene.web.send("PUT", FOLDER, json={"plugin_name": name, "files": listed}))


def python_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
