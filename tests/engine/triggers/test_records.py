import pytest

from engine.lineprotocol.lines import Line
from engine.model.schema import ColumnType
from engine.triggers.records import MOST_TEXT_BYTES, Origin, RunRecord, line, log_line, run_line

ORIGIN = Origin("db", 7, "t", "p.py", "run-1")


def fields_of(row: Line) -> dict[str, object]:
    return {name: value for (name, _), value in zip(row.fields, row.values, strict=True)}


def test_a_row_knows_the_types_of_its_values() -> None:
    kinds = (("a", ColumnType.STRING), ("b", ColumnType.INTEGER))
    assert line("t", {"a": "x", "b": 5}, 1) == Line("t", (), (), kinds, ("x", 5), 1)


def test_a_text_that_a_line_could_not_hold_is_cut_and_says_so() -> None:
    stored = str(fields_of(line("t", {"a": "x" * (MOST_TEXT_BYTES + 10)}, 1))["a"])
    assert stored.endswith(" … (cut)")
    assert len(stored) < MOST_TEXT_BYTES + 20


def test_a_log_line_has_the_columns_of_the_product() -> None:
    fields = fields_of(log_line(ORIGIN, "node0", "ERROR", "boom", "trace", 1))
    assert set(fields) == {
        "database_name", "trigger_name", "plugin_filename", "run_id", "node_id", "log_level", "log_text", "error_details",
        "trigger_id",
    }  # fmt: skip


@pytest.mark.parametrize("due", [None, 7])
def test_only_a_scheduled_run_has_a_due_time(due: int | None) -> None:
    run = RunRecord("schedule", 1, 2, 3, 4, 5, 6, 1, "success", due_ns=due)
    assert fields_of(run_line(ORIGIN, run, 9)).get("due") == due
