"""No row of the checklist and no promise is without a test, and no test is without one of them."""

import importlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

from tests.conformance.checklist import API_ROWS, CLI_ROWS, PROMISE, PROMISES, ROWS

OPEN: frozenset[str] = frozenset({"S154", "S155", "S156"})  # InfluxQL
"""Rows whose tests are not written yet."""

NUMBER = re.compile(r"\b(?:B\d+\.\d+|S\d+|CLI row \d+)\b")


def names_of(test: FunctionType) -> set[str]:
    """Return the rows and promises that stand in the names of a test."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    ids = [str(param.id) for mark in marks for param in mark.args[1] if getattr(param, "id", None)]
    numbers = {number for text in ids for number in NUMBER.findall(text)}
    return numbers | {promise for promise in PROMISES if any(text.endswith(PROMISE.format(promise)) for text in ids)}


def suite() -> Iterator[tuple[str, FunctionType]]:
    here = Path(__file__).parent
    for path in sorted([*here.glob("test_[ab]*.py"), *here.glob("test_cli_*.py")]):
        module = importlib.import_module(f"tests.conformance.{path.stem}")
        yield from ((f"{path.stem}.{n}", f) for n, f in vars(module).items() if n.startswith("test_") and callable(f))


def test_each_row_and_each_promise_has_a_test() -> None:
    covered = {name for _, test in suite() for name in names_of(test)}
    assert covered - OPEN == covered, "a row that is covered is not open any more"
    assert covered | OPEN == ROWS.keys() | API_ROWS.keys() | CLI_ROWS.keys() | set(PROMISES)


def test_each_test_names_its_row() -> None:
    assert [name for name, test in suite() if not names_of(test)] == []


def test_the_checklist_is_whole() -> None:
    sections = {"B1": 17, "B2": 23, "B3": 18, "B4": 8, "B5": 21, "B6": 16, "B7": 10, "B8": 12, "B9": 17, "B10": 20}
    assert Counter(number.split(".")[0] for number in ROWS) == sections
    assert len(ROWS) == 162
    assert len(set(PROMISES)) == 38
    ranges = (range(1, 89), range(107, 159), range(165, 173))
    assert list(CLI_ROWS) == [f"CLI row {number}" for number in range(1, 89)]
    assert list(API_ROWS) == [f"S{number}" for numbers in ranges for number in numbers]
