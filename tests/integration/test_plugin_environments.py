"""Packages of plugins with real plugin hosts: versions that are replaced, and environments of single plugins."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engines import eventually
from tests.support.scene import QUICK, REQUESTS, WRITES, Scene
from tests.support.web import Web, web
from tests.support.wheels import make_wheel

pytestmark = pytest.mark.process

INSTALL = "/api/v3/configure/plugin_environment/install_packages"
NEEDS = '# /// script\n# dependencies = ["side_sample=={}"]\n# ///\n'
TELLS = "import side_sample\n" + REQUESTS + "    return [side_sample.VERSION]\n"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of wheels, from which alone packages are installed."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        make_wheel(folder, "side_sample", version)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("server"), plugin_isolation="shared", **QUICK) as served:
        yield served


@pytest.fixture
def scene(server: Web) -> Scene:
    return Scene(server)


def made(scene: Scene, spec: str, code: str, name: str) -> str:
    """Make a trigger; return what its author is warned of."""
    answer = scene.ask_trigger(spec, scene.plugin(code, f"{name}.py"), name)
    assert answer.status_code == 200, answer.text
    warning: str = answer.headers.get("X-Influxdb3-Warning", "")
    return warning


def test_two_versions_of_a_package_run_side_by_side_and_requests_do_not_wait(scene: Scene) -> None:
    for version in ("1.0", "2.0"):
        name = f"v{version[0]}"
        warning = made(scene, f"request:{scene.database}/{name}", NEEDS.format(version) + TELLS, name)
        if warning:
            text = (
                f"runs of plugin {scene.database}_{name}.py wait until its environment is built: side_sample=={version}"
            )
            assert text in warning

    def answers(name: str) -> list[str] | None:
        answer = scene.web.post(f"/api/v3/engine/{scene.database}/{name}")
        if answer.status_code == 503:
            assert "Retry-After" in answer.headers
            assert f"trigger {name} is not ready: the environment (side_sample==" in answer.text
            return None
        assert answer.status_code == 200, answer.text
        told: list[str] = answer.json()
        return told

    assert eventually(lambda: answers("v1")) == ["1.0"]
    assert eventually(lambda: answers("v2")) == ["2.0"]
    assert answers("v1") == ["1.0"]


def test_writes_wait_for_the_environment_and_none_is_lost(scene: Scene, wheels: Path) -> None:
    make_wheel(wheels, "later_sample", "1.0")
    code = "# /// script\n# dependencies = ['later_sample']\n# ///\nimport later_sample\n" + WRITES
    code += "    for b in table_batches:\n        for row in b['rows']:\n"
    code += "            influxdb3_local.write(LineBuilder('seen').int64_field('v', row['v']).time_ns(row['time']))\n"
    made(scene, "table:t", code, "w")
    for i in range(20):
        scene.write(f"t v={i}i {i + 1}")
    assert [row["v"] for row in scene.rows_when("SELECT v FROM seen ORDER BY time", 20)] == list(range(20))
    assert {run["outcome"] for run in scene.rows("SELECT outcome FROM system.processing_engine_runs")} == {"success"}


def test_a_build_that_fails_fails_the_runs_until_the_file_changes(scene: Scene) -> None:
    made(scene, f"request:{scene.database}/r", NEEDS.format("9.9") + TELLS, "r")
    target = f"/api/v3/engine/{scene.database}/r"
    answer = eventually(lambda: (a := scene.web.post(target)).status_code != 503 and a)
    assert answer.status_code == 500
    assert "No matching distribution found for side_sample==9.9" in answer.text
    state = "SELECT state, reason FROM system.processing_engine_trigger_state"
    (row,) = scene.rows(state)
    assert row["reason"].startswith("the environment (side_sample==9.9) could not be built: pip install failed")
    scene.plugin(NEEDS.format("1.0") + TELLS, "r.py")
    assert eventually(lambda: (a := scene.web.post(target)).status_code == 200 and a).json() == ["1.0"]
    assert "reason" not in scene.rows(state)[0]


def test_a_folder_says_what_it_needs_in_its_requirements(scene: Scene) -> None:
    files = {"__init__.py": TELLS, "requirements.txt": "# numbers\nside_sample==1.0\n"}
    answer = scene.ask_trigger(f"request:{scene.database}/f", scene.package(files, "folder"), "f")
    assert answer.status_code == 200, answer.text
    target = f"/api/v3/engine/{scene.database}/f"
    assert eventually(lambda: (a := scene.web.post(target)).status_code == 200 and a).json() == ["1.0"]
    scene.package({"requirements.txt": "side_sample==2.0\n"}, "folder")
    assert eventually(lambda: (a := scene.web.post(target)).status_code == 200 and a.json() == ["2.0"])


def test_a_dry_run_takes_place_in_the_plugins_environment(scene: Scene) -> None:
    code = NEEDS.format("1.0") + "import side_sample\n" + WRITES + "    influxdb3_local.info(side_sample.VERSION)\n"
    body = {"filename": scene.plugin(code), "database": scene.database, "input_lp": "t v=1", "cache_name": "c"}
    answer = scene.web.post("/api/v3/plugin_test/wal", json=body).json()
    assert not answer["errors"], answer
    assert "INFO: 1.0" in answer["log_lines"]
    scene.plugin(code.replace("1.0", "9.9"))
    answer = scene.web.post("/api/v3/plugin_test/wal", json=body).json()
    assert "No matching distribution found for side_sample==9.9" in answer["errors"][0]


def test_another_version_of_a_package_that_is_in_use_is_there_for_the_next_run(scene: Scene, wheels: Path) -> None:
    """B10.15: also when the host has imported another one; ``.pth`` files count."""
    make_wheel(wheels, "common_sample", "1.0")
    make_wheel(wheels, "common_sample", "2.0")
    make_wheel(
        wheels, "pth_sample", "1.0", more={"pth_sample.pth": "beside\n", "beside/of_pth.py": "VERSION = 'pth'\n"}
    )
    of_pth = scene.endpoint(REQUESTS + "    import of_pth\n    return [of_pth.VERSION]\n", "pth")
    assert scene.web.post(of_pth).status_code == 500
    target = scene.endpoint(TELLS.replace("side_sample", "common_sample"), "r")
    for version in ("1.0", "2.0", "1.0"):
        answer = scene.web.post(INSTALL, json={"packages": [f"common_sample=={version}"]})
        assert answer.status_code == 200, answer.text
        assert scene.web.post(target).json() == [version]
    assert scene.web.post(INSTALL, json={"packages": ["pth_sample"]}).status_code == 200
    assert scene.web.post(of_pth).json() == ["pth"]
    listed = (scene.web.plugins / "installed-packages.txt").read_text()
    assert "common_sample==1.0" in listed


def test_a_restart_needs_nothing_to_install_with(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with web(tmp_path, plugin_isolation="shared", **QUICK) as served:
        scene = Scene(served, "d")
        made(scene, "request:r", NEEDS.format("1.0") + TELLS, "r")
        assert eventually(lambda: (a := served.post("/api/v3/engine/r")).status_code == 200 and a).json() == ["1.0"]
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    with web(tmp_path, plugin_isolation="shared", package_manager="disabled", **QUICK) as served:
        answer = served.post("/api/v3/engine/r")
        assert (answer.status_code, answer.text) == (200, json.dumps(["1.0"]))
        refused = Scene(served, "d").ask_trigger(
            "request:s", Scene(served, "d").plugin(NEEDS.format("2.0") + TELLS, "s.py"), "s"
        )
        assert refused.status_code == 403
        assert refused.text.startswith("Package installation has been disabled. Contact your administrator")
