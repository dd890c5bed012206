"""Each row of the table of settings: it can be given in every way, and what it is for gets it."""

import re
from pathlib import Path
from typing import Any

import pytest

from engine.settings import SETTINGS, Settings
from tests.support.settings import CASES, resolve

ROWS = {setting.name: setting for setting in SETTINGS}
TESTS = Path(__file__).parents[1]


def ways() -> list[Any]:
    rows = [(setting, ("option", "file", *setting.environment)) for setting in SETTINGS]
    found = [(row.name, way) for row, ways in rows for way in ways if (row.name, way) != ("config", "file")]
    return [pytest.param(name, way, id=f"{name} {way}") for name, way in found]


def test_every_row_has_a_case() -> None:
    assert list(CASES) == list(ROWS)


@pytest.mark.parametrize(("name", "way"), ways())
def test_a_value_may_come_from_everywhere(name: str, way: str) -> None:
    attribute = ROWS[name].attribute
    given = getattr(resolve(name, way), attribute)
    assert given == getattr(resolve(name, "option"), attribute)
    assert given != getattr(Settings.resolve({}, {}), attribute)


@pytest.mark.parametrize("name", ROWS)
def test_what_it_is_for_gets_it(name: str) -> None:
    case = CASES[name]
    if isinstance(case.held, str):
        path, _, test = case.held.partition("::")
        assert re.search(rf"^def {test}\(", (TESTS / f"{path}.py").read_text(), re.MULTILINE), case.held
    else:
        assert case.held(resolve(name, "option")) == case.expected
