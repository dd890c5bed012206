import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime import Engine
from tests.support.engines import create_trigger, eventually, logged_when, open_engine, query, rows_when, write

LEDGER = "SELECT id, account, amount, total, sequence FROM important_ledger ORDER BY sequence"
LETTERS = "SELECT attempts, error, input FROM system.processing_engine_dead_letters"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path) as engine:
        yield engine


def book(engine: Engine, number: int, amount: str = "1") -> None:
    write(engine, "db", f'important_data,account=a id="tx{number}",amount={amount} {number}')


def trigger(engine: Engine, **options: object) -> None:
    options = {"error_behavior": "retry"} | options
    create_trigger(engine, "db", "t", "table:important_data", "critical_process.py", **options)


def test_rows_are_booked_in_order_with_an_exact_total(engine: Engine) -> None:
    trigger(engine)
    for number in range(1, 11):
        book(engine, number, "0.1")
    rows = rows_when(engine, "db", LEDGER, 10)
    assert [row["sequence"] for row in rows] == list(range(1, 11))
    assert rows[-1] == {"id": "tx10", "account": "a", "amount": 0.1, "total": 1.0, "sequence": 10}


def test_a_row_that_is_sent_again_is_booked_once(engine: Engine) -> None:
    trigger(engine)
    write(engine, "db", 'important_data,account=a id="tx1",amount=2 1\nimportant_data,account=b id="tx1",amount=2 1')
    write(engine, "db", 'important_data,account=a id="tx1",amount=2 9')
    book(engine, 2, "5")
    rows = rows_when(engine, "db", LEDGER, 2)
    assert [(row["id"], row["sequence"], row["total"]) for row in rows] == [("tx1", 1, 2.0), ("tx2", 2, 7.0)]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        pytest.param("important_data amount=1 7", "row at 7: None is no id", id="no-id"),
        pytest.param('important_data id=" ",amount=1 7', "row at 7: ' ' is no id", id="blank-id"),
        pytest.param('important_data id="a\\\\",amount=1 7', "row at 7: 'a\\\\' is no id", id="backslash"),
        pytest.param('important_data id="p" 7', "row 'p': None is no amount", id="no-amount"),
        pytest.param('important_data id="p",amount=1e16 7', "row 'p': 1e+16 is no amount", id="too-large"),
    ],
)
def test_poison_becomes_a_dead_letter_and_leaves_no_trace_in_the_ledger(engine: Engine, line: str, error: str) -> None:
    trigger(engine)
    book(engine, 1)
    rows_when(engine, "db", LEDGER, 1)
    write(engine, "db", line)
    (letter,) = rows_when(engine, "db", LETTERS)
    assert (letter["attempts"], letter["error"].startswith(f"ValueError: {error} (")) == (5, True), letter
    assert [row["time"] for row in json.loads(letter["input"])["rows"]] == [7]
    book(engine, 2)
    assert [row["sequence"] for row in rows_when(engine, "db", LEDGER, 2)] == [1, 2]


def test_poison_among_good_rows_leaves_no_gap(engine: Engine) -> None:
    trigger(engine)
    fields = {n: f'id="tx{n}",amount=1' for n in range(1, 9)} | {3: "amount=1", 7: 'id="tx7"'}
    write(engine, "db", "\n".join(f"important_data,account=a {given} {n}" for n, given in fields.items()))
    rows = rows_when(engine, "db", LEDGER, 6)
    assert [(row["id"], row["sequence"], row["total"]) for row in rows] == [
        (f"tx{n}", i, float(i)) for i, n in enumerate([1, 2, 4, 5, 6, 8], start=1)
    ]
    letters = rows_when(engine, "db", f"{LETTERS} ORDER BY time", 2)
    assert [row["time"] for letter in letters for row in json.loads(letter["input"])["rows"]] == [3, 7]


def test_the_ledger_goes_on_where_it_was_after_restart_and_after_disable(tmp_path: Path) -> None:
    with open_engine(tmp_path) as engine:
        trigger(engine)
        book(engine, 1, "1.5")
        rows_when(engine, "db", LEDGER, 1)
    with open_engine(tmp_path) as engine:
        book(engine, 2, "1.5")
        rows_when(engine, "db", LEDGER, 2)
        engine.set_trigger_enabled("db", "t", False)
        engine.set_trigger_enabled("db", "t", True)
        book(engine, 3, "1.5")
        rows = rows_when(engine, "db", LEDGER, 3)
        assert [(row["sequence"], row["total"]) for row in rows] == [(1, 1.5), (2, 3.0), (3, 4.5)]


def test_a_ledger_may_have_another_name(engine: Engine) -> None:
    trigger(engine, arguments={"ledger": "bills", "remember_hours": "1"})
    book(engine, 1)
    assert rows_when(engine, "db", "SELECT id, sequence FROM bills") == [{"id": "tx1", "sequence": 1}]
    assert logged_when(engine, "db", 1) == ["INFO booked 1 rows; entry 1, total 1.0"]
    assert eventually(lambda: query(engine, "db", "SELECT outcome FROM system.processing_engine_runs"))
