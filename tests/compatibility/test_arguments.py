"""Arguments of triggers, and files of settings that plugins look for in their folder."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.scene import QUICK, REQUESTS, Scene, indented
from tests.support.web import web

PARSED = [
    pytest.param("temp.hum", "given.split('.')", ["temp", "hum"], id="dots"),
    pytest.param("status method", "given.split()", ["status", "method"], id="blanks"),
    pytest.param(
        "room:Kitchen@'Living Room'.floor:1",
        "{k: v.split('@') for k, v in (p.split(':') for p in given.split('.'))}",
        {"room": ["Kitchen", "'Living Room'"], "floor": ["1"]},
        id="colons-and-at-signs",
    ),
    pytest.param("a:1|b:2", "dict(pair.split(':') for pair in given.split('|'))", {"a": "1", "b": "2"}, id="bars"),
    pytest.param(
        '[{"type": "sine", "frequency": 0.5}]', "json.loads(given)", [{"type": "sine", "frequency": 0.5}], id="json"
    ),
    pytest.param("10min", "re.fullmatch(r'(\\d+)([a-zA-Z]+)', given).groups()", ["10", "min"], id="duration"),
    pytest.param("TRUE", "str(given).lower() == 'true'", True, id="truth"),
    pytest.param("temp:'>=101'", "given.split(':', 1)", ["temp", "'>=101'"], id="comparison"),
    pytest.param("eyJhIjogMX0=", "json.loads(base64.b64decode(given))", {"a": 1}, id="base64"),
    pytest.param("a, b=c, d", "given", "a, b=c, d", id="commas-and-equals"),
    pytest.param("http://localhost:8086/?q=1&r=2", "given", "http://localhost:8086/?q=1&r=2", id="url"),
    pytest.param("", "given == ''", True, id="empty"),
    pytest.param(" °C é ", "given", " °C é ", id="any-text"),
]


@pytest.mark.parametrize(("given", "expression", "value"), PARSED)
def test_argument_is_taken_apart(scene: Scene, given: str, expression: str, value: Any) -> None:
    body = f'given = args["given"]\nassert type(given) is str\nreturn [{expression}]'
    assert scene.told(body, top="import base64, json, re\n", trigger_arguments={"given": given}) == [value]


@pytest.mark.parametrize("arguments", [None, {"a": "1"}])
def test_arguments_may_be_missing_and_changed(scene: Scene, arguments: dict[str, str] | None) -> None:
    """The dict belongs to the run: a plugin notes in it whether there was a file."""
    body = """
        before = None if args is None else dict(args)
        args = args or {}
        args["use_config_file"] = False
        return [before, "use_config_file" in args]
    """
    target = scene.endpoint(REQUESTS + indented(textwrap.dedent(body)), trigger_arguments=arguments)
    assert [scene.web.post(target).json() for _ in range(2)] == [[arguments, True]] * 2


PLACES = {
    "plugin-dir": 'Path(os.environ["PLUGIN_DIR"])',
    "the-server-s-variable": 'Path(os.environ["INFLUXDB3_PLUGIN_DIR"])',
    "beside-the-environment": 'Path(os.environ["VIRTUAL_ENV"]).parent',
    "the-first-that-has-it": """next(
        Path(base) for base in (os.environ.get("NO_SUCH"), os.environ.get("INFLUXDB3_PLUGIN_DIR"), ".")
        if base and (Path(base) / path).exists()
    )""",
}
SETTINGS = 'measurement = "home"\nfields = ["a", "b"]\n[tag_values]\nroom = ["x"]\n'


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A database of a server whose plugins have an environment of their own, in its usual place."""
    folder = tmp_path_factory.mktemp("apart")
    with web(folder, plugin_isolation="shared", virtual_env_location=folder / "plugins" / ".venv", **QUICK) as served:
        scene = Scene(served)
        yield scene
        scene.close()


@pytest.mark.process
@pytest.mark.parametrize("place", [pytest.param(place, id=way) for way, place in PLACES.items()])
def test_file_of_settings_is_found(apart: Scene, place: str) -> None:
    folder = apart.web.plugins / "configs"
    folder.mkdir(exist_ok=True)
    (folder / "settings.toml").write_text(SETTINGS)
    body = f"""
path = args["config_file_path"]
with open({place} / path, "rb") as file:
    args = tomllib.load(file)
args["use_config_file"] = True
return args
"""
    top = "import os, tomllib\nfrom pathlib import Path\n"
    told = apart.told(body, top=top, trigger_arguments={"config_file_path": "configs/settings.toml"})
    assert told == {"measurement": "home", "fields": ["a", "b"], "tag_values": {"room": ["x"]}, "use_config_file": True}


@pytest.mark.process
def test_file_of_a_queue_is_kept_in_the_plugin_folder(apart: Scene) -> None:
    body = """
path = Path(os.environ["PLUGIN_DIR"]) / "queue.jsonl.gz"
with gzip.open(path, "at", encoding="utf-8") as file:
    file.write("{}\\n")
with gzip.open(path, "rt", encoding="utf-8") as file:
    return {"lines": len(list(file))}
"""
    assert [apart.told(body, top="import gzip, os\nfrom pathlib import Path\n")["lines"] for _ in range(2)] == [1, 2]


@pytest.mark.process
def test_variables_of_the_server_s_environment_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens and settings that a plugin falls back on."""
    monkeypatch.setenv("IMPORT_SOURCE_URL", "http://localhost:8086")
    with web(tmp_path, plugin_isolation="shared", **QUICK) as served:
        scene = Scene(served)
        assert scene.told('return [os.environ.get("IMPORT_SOURCE_URL")]', top="import os\n") == [
            "http://localhost:8086"
        ]
        scene.close()
