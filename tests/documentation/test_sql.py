"""Each example of docs/sql.md gives what the page says, and no function is left out."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from engine.query.functions.statement import FUNCTIONS
from tests.support.web import Web, web

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)\n```", PAGE, re.DOTALL)
EXAMPLES = [(sql, told) for (kind, sql), (_, told) in pairwise(BLOCKS) if kind == "sql"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("sql")) as served:
        served.write(next(text for kind, text in BLOCKS if kind == "lp"), "db=foo&precision=second")
        yield served


@pytest.mark.parametrize(("sql", "told"), EXAMPLES)
def test_example(server: Web, sql: str, told: str) -> None:
    assert server.sql(sql, format="pretty").text == told


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_has_an_example(name: str) -> None:
    assert any(f"{name}(" in sql for sql, _ in EXAMPLES)
