from dataclasses import replace

import pytest

from engine.model.trigger import ErrorBehavior, TriggerDefinition
from engine.model.trigger_spec import AllTablesSpec

DEFINITION = TriggerDefinition(7, "copy", "copy.py", AllTablesSpec(), {"a": "1"})


def test_a_trigger_logs_errors_and_is_on_unless_said_otherwise():
    assert (DEFINITION.error_behavior, DEFINITION.enabled, DEFINITION.run_async) == (ErrorBehavior.LOG, True, False)
    assert DEFINITION.limits.timeout_s is None


def test_arguments_cannot_be_changed_by_anyone():
    given = {"a": "1"}
    definition = replace(DEFINITION, arguments=given)
    given["a"] = "2"
    assert definition.arguments == {"a": "1"}
    with pytest.raises(TypeError):
        definition.arguments["a"] = "3"


def test_definitions_are_equal_by_value_and_fit_into_sets():
    assert replace(DEFINITION, arguments={"a": "1"}) == DEFINITION
    assert replace(DEFINITION, arguments={"a": "2"}) != DEFINITION
    assert len({DEFINITION, replace(DEFINITION, enabled=False), replace(DEFINITION)}) == 2


def test_error_behaviors_have_the_words_of_requests():
    assert [ErrorBehavior(word) for word in ("log", "retry", "disable")] == list(ErrorBehavior)
