"""How triggers are doing: in the system table, in what Prometheus collects."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.server.figures import ServerFigures
from engine.server.routes.metrics import exposition
from tests.support.engines import JOURNAL_S
from tests.support.node import DATABASE, Node

STATE = "SELECT {} FROM system.processing_engine_trigger_state ORDER BY trigger_name"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.close()


def samples(node: Node) -> dict[tuple[str, str, str], float]:
    """Return the samples about triggers by (name, trigger, outcome or bound)."""
    text = exposition(node.engine, ServerFigures()).decode()
    assert text.endswith("# EOF\n")
    return {
        (s.name, s.labels["trigger"], s.labels.get("outcome") or s.labels.get("le") or ""): s.value
        for family in text_string_to_metric_families(text.removesuffix("# EOF\n"))
        for s in family.samples
        if s.labels.get("trigger")
    }


def test_state_tells_of_the_runs_that_are_kept(node: Node) -> None:
    node.trigger("t", "table:a")
    node.trigger("u", "table:b")
    node.write("a v=1")
    node.executor.next().fail("ValueError: no")
    node.write("a v=2")
    node.executor.next().succeed()
    node.advance(JOURNAL_S)
    node.settle()
    assert node.rows(STATE.format("trigger_name, state, runs, failures, last_outcome, lag_rows")) == [
        {"trigger_name": "t", "state": "enabled", "runs": 2, "failures": 1, "last_outcome": "success", "lag_rows": 0},
        {"trigger_name": "u", "state": "enabled", "runs": 0, "failures": 0, "lag_rows": 0},
    ]


def test_a_run_that_is_interrupted_is_no_failure(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1")
    node.executor.next()
    node.engine.set_trigger_enabled(DATABASE, "t", False)
    node.advance(JOURNAL_S)
    node.settle()
    (row,) = node.rows(STATE.format("trigger_spec, state, runs, failures, last_outcome"))
    assert row == {
        "trigger_spec": "table:a",
        "state": "disabled",
        "runs": 1,
        "failures": 0,
        "last_outcome": "cancelled",
    }


def test_state_survives_a_restart(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("t", "table:a")
    node.write("a v=1")
    node.executor.next().succeed()
    node.advance(JOURNAL_S)
    node.settle()
    node = node.restarted()
    (row,) = node.rows(STATE.format("runs, failures, last_outcome"))
    assert row == {"runs": 1, "failures": 0, "last_outcome": "success"}
    node.close()


def test_what_happened_is_kept_as_long_as_the_options_say(tmp_path: Path) -> None:
    node = Node(tmp_path, internal_retention_age_s=60.0, dead_letter_retention_age_s=3_600.0)
    node.trigger("t", "every:30s", error_behavior="retry")
    node.advance(30)
    for wait_s in (0.1, 0.2, 0.4, 0.8, 0):
        node.executor.next().fail()
        node.advance(wait_s)
    node.engine.set_trigger_enabled(DATABASE, "t", False)
    node.settle()
    node.engine.snapshot()
    counts = "SELECT count(*) AS n FROM system.processing_engine_{}"
    left = []
    for wait_s in (0, 120, 3_600):
        node.advance(wait_s)
        node.settle()
        node.engine.snapshot()
        left.append([node.rows(counts.format(table))[0]["n"] for table in ("runs", "dead_letters")])
    assert left == [[5, 1], [0, 1], [0, 0]]
    node.close()


def test_a_trigger_that_was_switched_off_by_an_error_says_why(node: Node) -> None:
    """Annex A: ``disable`` with reason and time in a state column."""
    node.trigger("t", "table:a", error_behavior="disable")
    node.trigger("u", "table:b", enabled=False)
    node.write("a v=1")
    node.executor.next().fail("ValueError: no")
    node.engine.triggers.quiet()
    node.advance(JOURNAL_S)
    node.settle()
    failed, disabled = node.rows(STATE.format("state, reason"))
    assert failed["state"] == "failed"
    assert failed["reason"].startswith("disabled at 2023-11-14 22:13:20 UTC due to error: ")
    assert "ValueError: no" in failed["reason"]
    assert disabled == {"state": "disabled"}
    node.engine.set_trigger_enabled(DATABASE, "t", True)
    node.advance(1)
    node.write("a v=2")
    node.executor.next().succeed()
    node.engine.set_trigger_enabled(DATABASE, "t", False)
    node.advance(JOURNAL_S)
    node.settle()
    assert node.rows(STATE.format("state, reason")) == [{"state": "disabled"}] * 2  # by a person this time


def test_a_trigger_made_anew_under_an_old_name_begins_with_nothing(node: Node) -> None:
    """log-and-recovery, Identity: nothing old attaches."""
    node.trigger("t", "table:a", error_behavior="disable")
    node.write("a v=1")
    node.executor.next().fail("ValueError: no")
    node.engine.triggers.quiet()
    node.advance(JOURNAL_S)
    node.settle()
    node.engine.delete_trigger(DATABASE, "t", force=True)
    node.trigger("t", "table:a", enabled=False)
    (row,) = node.rows(STATE.format("state, reason, runs, failures, last_outcome"))
    assert row == {"state": "disabled", "runs": 0, "failures": 0}


def test_a_schedule_tells_when_it_is_due(node: Node) -> None:
    node.trigger("s", "every:1h")
    node.trigger("t", "table:a")
    due, none = node.rows(STATE.format("CAST(next_due AS VARCHAR) AS next_due"))
    assert due == {"next_due": "2023-11-14T23:00:00"}
    assert none == {}


def test_a_plugin_that_is_gone_is_told(node: Node) -> None:
    node.trigger("t", "table:a")
    (node.engine.settings.plugin_dir / "p.py").unlink()  # type: ignore[operator]
    (row,) = node.rows(STATE.format("state, reason"))
    assert row["state"] == "enabled"
    assert "Plugin not found" in row["reason"]


def test_prometheus_gets_counts_and_distributions(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1\na v=2 5")
    begun = node.executor.next()
    begun.services.entered()
    node.advance(0.02)
    begun.succeed()
    node.write("a v=3")
    node.executor.next().fail("ValueError: no")
    node.settle()
    found = samples(node)
    assert found["influxdb3_trigger_runs_total", "t", "success"] == 1
    assert found["influxdb3_trigger_runs_total", "t", "error"] == 1
    assert found["influxdb3_trigger_rows_total", "t", ""] == 3
    assert found["influxdb3_trigger_run_duration_seconds_bucket", "t", "0.01"] == 1
    assert found["influxdb3_trigger_run_duration_seconds_bucket", "t", "0.025"] == 2
    assert found["influxdb3_trigger_run_duration_seconds_bucket", "t", "+Inf"] == 2
    assert found["influxdb3_trigger_lag_seconds_count", "t", ""] == 2
    assert found["influxdb3_trigger_lag_rows", "t", ""] == 0
    assert found["influxdb3_trigger_enabled", "t", ""] == 1


def test_prometheus_gets_nothing_of_triggers_that_are_gone(node: Node) -> None:
    node.trigger("t", "table:a")
    node.engine.delete_trigger(DATABASE, "t", force=True)
    assert samples(node) == {}
