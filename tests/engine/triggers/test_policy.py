import pytest

from engine.model.trigger import ErrorBehavior
from engine.triggers.policy import MOST_ATTEMPTS, DeadLetter, Disable, Done, Isolate, Retry, decide

LOG, RETRY, DISABLE = ErrorBehavior


@pytest.mark.parametrize("kind", ["wal", "schedule", "request"])
@pytest.mark.parametrize(
    ("error", "behavior", "attempt", "expected"),
    [
        pytest.param(None, LOG, 1, Done(), id="success under log"),
        pytest.param(None, RETRY, 3, Done(), id="success of a third attempt"),
        pytest.param(None, DISABLE, 1, Done(), id="success under disable"),
        pytest.param("boom", LOG, 1, Done(), id="log only logs"),
        pytest.param("boom", DISABLE, 1, Disable("boom"), id="disable at the first error"),
        pytest.param("boom", RETRY, 1, Retry(0.1), id="the first wait"),
        pytest.param("boom", RETRY, 2, Retry(0.2), id="waits double"),
        pytest.param("boom", RETRY, 3, Retry(0.4), id="and double"),
        pytest.param("boom", RETRY, 4, Retry(0.8), id="the last wait"),
        pytest.param("", RETRY, 1, Retry(0.1), id="an error without text is an error"),
        pytest.param("", DISABLE, 1, Disable(""), id="an error without text disables"),
    ],
)
def test_what_follows_a_run_is_the_same_for_all_kinds(error, behavior, attempt, kind, expected):
    assert decide(error, behavior, attempt, kind) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param("wal", Isolate(), id="its poisonous rows are looked for"),
        pytest.param("schedule", DeadLetter(), id="the call time is put aside"),
        pytest.param("request", Done(), id="the client has been told"),
    ],
)
def test_nobody_waits_for_work_that_failed_five_times(kind, expected):
    assert decide("boom", RETRY, MOST_ATTEMPTS, kind) == expected
