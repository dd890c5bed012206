"""What plugins do at the top of their file, and how their files are named."""

import textwrap

import pytest

from tests.support.engines import eventually
from tests.support.scene import CALLS, REQUESTS, WRITES, Scene

NAMES = {
    "found-in-builtins": "LineBuilder\n",
    "found-under-its-own-name": """
        try:
            LineBuilder = LineBuilder
        except NameError:
            LineBuilder = None
    """,
    "looked-for": """
        try:
            LineBuilder
        except NameError:
            LineBuilder = None
    """,
    "from-the-server-s-own-module": """
        try:
            from influxdb3_pe import LineBuilder
        except ImportError:
            pass
    """,
    "from-globals": """
        import builtins
        LineBuilder = globals().get("LineBuilder") or getattr(builtins, "LineBuilder")
    """,
    "in-annotations": """
        def made(count: int) -> list[LineBuilder]:
            return []
        def one(line: LineBuilder | None = None) -> LineBuilder:
            return line
    """,
    "in-annotations-that-wait": """
        from __future__ import annotations
        def made(count: int) -> list[LineBuilder]:
            return []
    """,
}


@pytest.mark.parametrize("top", [pytest.param(top, id=way) for way, top in NAMES.items()])
def test_line_builder_is_there_when_the_file_is_run(scene: Scene, top: str) -> None:
    body = 'return {"line": LineBuilder("t").int64_field("f", 1).build()}'
    assert scene.told(body, top=top) == {"line": "t f=1i"}


def test_file_has_no_name_of_its_own(scene: Scene) -> None:
    """Plugins fall back on the variables of the environment when ``__file__`` is missing."""
    top = """
        from pathlib import Path
        try:
            folder = Path(__file__).parent
        except NameError:
            folder = None
        if __name__ == "__main__":
            raise RuntimeError("not run as a program")
    """
    assert scene.told('return {"folder": str(folder), "name": __name__}', top=top) == {
        "folder": "None",
        "name": "builtins",
    }


@pytest.mark.parametrize(
    ("top", "expression"),
    [
        pytest.param(
            """
            from __future__ import annotations
            from dataclasses import dataclass, field
            @dataclass
            class Config:
                fields: list[str] = field(default_factory=list)
                table: str | None = None
            """,
            'repr(Config(["a"])).rpartition(".")[2]',
            id="dataclass",
        ),
        pytest.param(
            """
            from enum import Enum
            class Config(Enum):
                PAUSED = "paused"
            """,
            'str(Config("paused").name)',
            id="enumeration",
        ),
        pytest.param(
            """
            from typing import Protocol, runtime_checkable
            @runtime_checkable
            class Config(Protocol):
                def build(self) -> str: ...
            """,
            'str(isinstance(LineBuilder("t"), Config))',
            id="protocol",
        ),
        pytest.param(
            """
            from collections import namedtuple
            Config = namedtuple("Config", "a b")
            """,
            "str(Config(1, 2))",
            id="named-tuple",
        ),
    ],
)
def test_classes_can_be_made(scene: Scene, top: str, expression: str) -> None:
    assert scene.told(f'return {{"made": {expression}}}', top=top)["made"] in {
        "Config(fields=['a'], table=None)",
        "PAUSED",
        "True",
        "Config(a=1, b=2)",
    }


def test_global_variables_are_set_in_each_run_anew(scene: Scene) -> None:
    """A flag for full logging begins as the file says, whatever an earlier run made of it."""
    code = (
        textwrap.dedent("""
        _FULL = True

        def told(error):
            return str(error) if _FULL else type(error).__name__

    """)
        + REQUESTS
        + """
    global _FULL
    before = _FULL
    _FULL = False
    return [before, told(ValueError("x"))]
"""
    )
    target = scene.endpoint(code)
    assert [scene.web.post(target).json() for _ in range(2)] == [[True, "ValueError"]] * 2


@pytest.mark.parametrize("name", ["import.py", "data-replicator.py", "3d.py", "nested/deeper/plugin.py"])
def test_file_may_have_any_name(scene: Scene, name: str) -> None:
    path = scene.web.plugins / scene.database / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(REQUESTS + "    return {'here': True}\n")
    scene.trigger_of(f"request:{scene.database}/named", f"{scene.database}/{name}")
    assert scene.web.post(f"/api/v3/engine/{scene.database}/named").json() == {"here": True}


@pytest.mark.parametrize("name", ["hello-world", "import"])
def test_folder_may_have_any_name(scene: Scene, name: str) -> None:
    """As in the registry: a manifest and ``__init__.py``, the folder named like the plugin."""
    package = scene.package(
        {
            "manifest.toml": f'[plugin]\nname = "{name}"\ntriggers = ["process_request"]\n',
            "__init__.py": "from .texts import GREETING\n" + REQUESTS + "    return {'greeting': GREETING}\n",
            "texts.py": 'GREETING = "hello"\n',
        },
        name,
    )
    scene.trigger_of(f"request:{scene.database}/packed", package)
    assert scene.web.post(f"/api/v3/engine/{scene.database}/packed").json() == {"greeting": "hello"}


def test_one_file_serves_triggers_of_every_kind(scene: Scene) -> None:
    code = "".join(
        function + f'    influxdb3_local.info("{kind}", args and args["of"])\n{end}'
        for function, kind, end in (
            (WRITES, "wal", ""),
            (CALLS, "schedule", ""),
            (REQUESTS, "request", '    return {"status": "success"}\n'),
        )
    )
    plugin = scene.plugin(code)
    scene.trigger_of("table:home", plugin, "w", trigger_arguments={"of": "w"})
    scene.trigger_of(f"request:{scene.database}/all", plugin, "r", trigger_arguments={"of": "r"})
    assert scene.web.post(f"/api/v3/engine/{scene.database}/all").json() == {"status": "success"}
    scene.write("home temp=1 1")
    assert sorted(scene.logged(2)) == ["INFO request r", "INFO wal w"]
    scene.trigger_of("every:1s", plugin, "s", trigger_arguments={"of": "s"})
    assert scene.line_when("INFO schedule") == "INFO schedule s"
    scene.delete("s")


def test_parameters_may_have_any_names(scene: Scene) -> None:
    named = (
        "influxdb3_local, schedule_time, args",
        "local, call_time: object, args: dict | None = None",
        "a, b, c=None",
    )
    for number, parameters in enumerate(named):
        local = parameters.split(",")[0]
        code = f"def process_scheduled_call({parameters}):\n    {local}.info('called', {number})\n"
        scene.trigger("every:1s", code, f"t{number}")
    eventually(lambda: {f"INFO called {number}" for number in range(len(named))} <= set(scene.own_lines()))


def test_missing_package_is_told_by_the_plugin(scene: Scene) -> None:
    """An import inside the function, caught: the plugin says itself what to install."""
    body = """
        try:
            import no_such_package_at_all
        except ImportError:
            influxdb3_local.error("run: influxdb3 install package no_such_package_at_all")
            return {"error": "not installed"}, 500
    """
    answer = scene.ask(body)
    assert (answer.status_code, answer.json()) == (500, {"error": "not installed"})


def test_missing_package_at_the_top_fails_the_run(scene: Scene) -> None:
    answer = scene.ask("return {}", top="import no_such_package_at_all\n")
    assert answer.status_code == 500
    assert "ModuleNotFoundError: No module named 'no_such_package_at_all'" in answer.json()["error"]
