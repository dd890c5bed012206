"""Processing engine §8: packages for plugins, installed over HTTP, without network."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.web import Web, told, web
from tests.support.wheels import make_wheel

PACKAGES = "/api/v3/configure/plugin_environment/install_packages"
REQUIREMENTS = "/api/v3/configure/plugin_environment/install_requirements"
LINES = {"Accept": "application/jsonl"}
FAILED = "pip install failed with exit status 1:"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("packages")) as served:
        yield served


def events(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.text.endswith("\n")
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.process
def test_a_package_is_installed_before_the_answer(server: Web, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "plainly_there", "1.2.3")
    assert told(server.post(PACKAGES, json={"packages": [str(wheel)]})) == (200, "")
    location = server.engine.settings.virtual_env_location
    assert location is not None
    assert list(location.glob("lib/*/site-packages/plainly_there.py"))


@pytest.mark.process
def test_progress_is_told_line_by_line(server: Web, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"{make_wheel(tmp_path, 'listed', '1.0')}\n")
    body = {"requirements_location": str(tmp_path / "requirements.txt")}
    told_events = events(server.post(REQUIREMENTS, json=body, headers=LINES))
    assert told_events[-1] == {"status": "ok"}
    assert any("Successfully installed listed-1.0" in event["line"] for event in told_events[:-1])


@pytest.mark.process
def test_a_package_that_is_not_there_is_a_failure(server: Web, tmp_path: Path) -> None:  # B10.17
    body = {"packages": [str(tmp_path / "nope-1.0-py3-none-any.whl")]}
    answer = server.post(PACKAGES, json=body)
    assert answer.status_code == 500
    assert answer.text.startswith(f"Processing engine error: error installing python packages: {FAILED}")
    assert "nope-1.0" in answer.text
    *lines, last = events(server.post(PACKAGES, json=body, headers=LINES))
    assert all(list(line) == ["line"] for line in lines)
    assert last["status"] == "error"
    assert last["message"].startswith(FAILED)


@pytest.mark.parametrize("headers", [{}, LINES])
@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"packages": ["--index-url=x"]}, "not a package: '--index-url=x'; options of pip are not accepted"),
        ({"packages": []}, "no packages to install"),
        ({}, "serde json error: missing field `packages` at line 1 column 2"),
    ],
)
def test_what_is_refused_at_once_has_its_status(
    server: Web, body: dict[str, list[str]], text: str, headers: dict[str, str]
) -> None:
    assert told(server.post(PACKAGES, json=body, headers=headers)) == (400, text)


def test_installation_can_be_disabled(tmp_path: Path) -> None:  # B10.16
    with web(tmp_path, package_manager="disabled") as server:
        answer = server.post(PACKAGES, json={"packages": ["x"]})
        text = "Package installation has been disabled. Contact your administrator for more information."
        assert told(answer) == (403, text)
        assert answer.headers["access-control-allow-origin"] == "*"
