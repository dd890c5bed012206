from typing import Any

import pytest

from tests.public_plugins.verdict import Outcome, Seen, judge

OWN = 'Traceback (most recent call last):\n  File "<string>", line 3, in process_writes\n    {line}\n'
REFUSAL = OWN.format(line='raise ValueError("no fields")')
SURPRISE = OWN.format(line='total += row["temp"]')
OURS = SURPRISE + '  File "/srv/engine/host/api.py", line 9, in write\n    raise TypeError()\n'


def error(text: str, details: str = "") -> dict[str, Any]:
    return {"errors": ((text, details),)}


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        pytest.param({}, Outcome.RAN, id="quiet"),
        pytest.param({"warnings": ("WARN nothing to do",)}, Outcome.RAN, id="warning"),
        pytest.param({"answer": (200, '{"status": "success"}')}, Outcome.RAN, id="answer"),
        pytest.param(
            {"warnings": ("ERROR temp is 99, sending alert",), "alerts": 1}, Outcome.RAN, id="alert-that-arrived"
        ),
        pytest.param(
            {"warnings": ("ERROR error while planning query: no function foo",), "alerts": 1},
            Outcome.ENGINE,
            id="alert-that-arrived-and-a-query-that-failed",
        ),
        pytest.param({"warnings": ("ERROR Missing required arguments",)}, Outcome.REFUSED, id="own-error-line"),
        pytest.param({"answer": (400, '{"error": "no body"}')}, Outcome.REFUSED, id="bad-request"),
        pytest.param(
            {"answer": (200, '{"message": "Error: No request body"}')}, Outcome.REFUSED, id="told-in-the-answer"
        ),
        pytest.param(error("ValueError: no fields", REFUSAL), Outcome.REFUSED, id="raised-by-the-plugin"),
        pytest.param(error("KeyError: 'temp'", SURPRISE), Outcome.ENGINE, id="unexplained"),
        pytest.param(error("TypeError: x", OURS), Outcome.ENGINE, id="raised-by-the-engine"),
        pytest.param(
            error("AttributeError: 'PyPluginCallApi' object has no attribute 'tag'", SURPRISE),
            Outcome.ENGINE,
            id="missing-attribute",
        ),
        pytest.param(
            error(
                "QueryError: error: error while planning query: no function foo executing query on d: SELECT", REFUSAL
            ),
            Outcome.ENGINE,
            id="query",
        ),
        pytest.param(
            {"warnings": ("ERROR query failed: error while planning query: no function foo",)},
            Outcome.ENGINE,
            id="query-that-the-plugin-caught",
        ),
        pytest.param(
            {"warnings": ("ERROR error while planning query: table 'public.iox.x' not found",)},
            Outcome.REFUSED,
            id="table-that-is-not-there",
        ),
        pytest.param(
            {"warnings": ("ERROR error running wal plugin: error writing back lines to d: Cannot write: x",)},
            Outcome.ENGINE,
            id="lines-refused",
        ),
        pytest.param(error("SyntaxError: invalid syntax (<string>, line 3)"), Outcome.ENGINE, id="does-not-compile"),
        pytest.param({"refusal": "400 bad spec"}, Outcome.ENGINE, id="trigger-refused"),
        pytest.param({"runs": 0, "is_over": False}, Outcome.ENGINE, id="never-ran"),
        pytest.param({"runs": 1, "is_over": False}, Outcome.ENGINE, id="did-not-end"),
        pytest.param(
            {"runs": 0, "is_over": False, "warnings": ("WARN Failed to connect to broker",)},
            Outcome.SERVICE,
            id="still-waiting-for-its-service",
        ),
        pytest.param(
            {"warnings": ("ERROR <urlopen error [Errno -2] Name or service not known>",)}, Outcome.SERVICE, id="no-name"
        ),
        pytest.param(error("ConnectionError: Max retries exceeded", SURPRISE), Outcome.SERVICE, id="no-connection"),
        pytest.param(
            {"warnings": ("WARN HTTPConnectionPool(host='localhost', port=4711): Max retries exceeded",), "port": 4711},
            Outcome.ENGINE,
            id="the-server-itself-is-not-there",
        ),
        pytest.param(
            error("ModuleNotFoundError: No module named 'river'"), Outcome.INCOMPLETE, id="package-nobody-asked-for"
        ),
        pytest.param(
            error("ModuleNotFoundError: No module named 'river.stats'") | {"modules": frozenset({"river"})},
            Outcome.ENGINE,
            id="package-that-was-installed",
        ),
        pytest.param(
            error("TypeError: Validator.__init__() got an unexpected keyword argument 'must_exist'", SURPRISE),
            Outcome.INCOMPLETE,
            id="package-of-another-version",
        ),
        pytest.param(
            error("TypeError: PyPluginCallApi.write_sync() got an unexpected keyword argument 'sync'", SURPRISE),
            Outcome.ENGINE,
            id="call-that-the-engine-does-not-know",
        ),
        pytest.param(
            error("Unsupported return type from Python function"), Outcome.INCOMPLETE, id="function-without-answer"
        ),
    ],
)
def test_outcome(seen: dict[str, Any], outcome: Outcome) -> None:
    verdict = judge(Seen(**{"runs": 2} | seen))
    assert verdict.outcome is outcome, verdict
