from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.model.trigger import ErrorBehavior, TriggerDefinition
from engine.model.trigger_keys import plain_trigger, trigger_from_plain
from engine.model.trigger_options import with_options
from engine.model.trigger_spec import parse_trigger_spec
from influxdb3_cli.plugin_plans import Sending
from influxdb3_cli.trigger_files import Triggers, format_triggers, parse_triggers
from influxdb3_cli.trigger_plans import Addition, Alteration, Plan, describe_plan, make_plan
from tests.support.catalog import triggers

NAMES = st.sampled_from(["copy", "watch", "alarm"])
sets = st.dictionaries(
    st.sampled_from(["home", "work"]),
    st.dictionaries(NAMES, triggers(), max_size=3).map(
        lambda drawn: tuple(replace(trigger, name=name) for name, trigger in sorted(drawn.items()))
    ),
)


def a_trigger(name: str = "copy", **changes: Any) -> TriggerDefinition:
    spec = parse_trigger_spec(changes.pop("spec", "all_tables"))
    return replace(TriggerDefinition(0, name, "copy.py", spec), **changes)


def carried_out(plan: Plan, present: Triggers) -> dict[str, dict[str, TriggerDefinition]]:
    """Return what a server has afterwards, changed by what requests name."""
    after = {name: {t.name: t for t in there} for name, there in present.items()}
    after |= {name: {} for name in plan.new_databases}
    for step in plan.steps:
        home, name = after[step.database], step.trigger.name
        match step:
            case Addition():
                home[name] = step.trigger
            case Alteration():
                request = step.as_request()
                words = request | request.pop("trigger_settings", {})
                changed = plain_trigger(step.before) | words | {"enabled": step.trigger.enabled}
                home[name] = trigger_from_plain(changed)
            case _:
                del home[name]
    return after


@given(sets, sets, st.booleans())
def test_after_a_plan_the_triggers_are_as_declared_and_the_next_is_empty(
    wanted: Triggers, present: Triggers, prune: bool
) -> None:
    after = carried_out(make_plan(wanted, present, prune=prune), present)
    for database, declared in wanted.items():
        expected = {t.name: t for t in declared}
        assert (after[database] if prune else {n: after[database][n] for n in expected}) == expected
    for database in present.keys() - wanted.keys():
        assert tuple(after[database].values()) == present[database]
    again = make_plan(wanted, {name: tuple(there.values()) for name, there in after.items()}, prune=prune)
    assert again.is_empty


@given(sets)
def test_what_is_exported_is_not_to_be_changed(present: Triggers) -> None:
    assume(present)
    plan = make_plan(parse_triggers(format_triggers(present).encode(), "t.toml"), present, prune=True)
    assert plan.is_empty
    assert plan.unchanged == sum(map(len, present.values()))


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        pytest.param(
            {}, {"spec": "every:60s"}, ['spec: "all_tables" → "every:1m"  (the trigger begins anew: its '], id="spec"
        ),
        pytest.param({"enabled": False}, {}, ["enabled: false → true"], id="enabled"),
        pytest.param({}, {"plugin_filename": "x.py"}, ['plugin: "copy.py" → "x.py"'], id="plugin"),
        pytest.param({"arguments": {}}, {}, ["arguments: {} → none"], id="no arguments"),
        pytest.param({}, {"arguments": {"a": "1"}}, ['arguments: none → { a = "1" }'], id="first arguments"),
        pytest.param(
            {"arguments": {"a": "1", "b": "2", "c": "3"}},
            {"arguments": {"c": "4", "a": "1", "d e": "env:SECRET"}},
            ['arguments.b: "2" → none', 'arguments.c: "3" → "4"', 'arguments."d e": none → "env:SECRET"'],
            id="arguments",
        ),
        pytest.param({"arguments": {"a": "1", "b": "2"}}, {"arguments": {"b": "2", "a": "1"}}, [], id="order"),
        pytest.param(
            {"error_behavior": ErrorBehavior.RETRY, "run_async": True},
            {"enabled": False},
            [
                'error_behavior: "retry" → "log"',
                "run_asynchronous: true → false",
                "enabled: true → false  (while it is off, ",
            ],
            id="settings",
        ),
    ],
)
def test_what_changes_is_told_key_by_key(before: dict[str, Any], after: dict[str, Any], lines: list[str]) -> None:
    plan = make_plan({"home": (a_trigger(**after),)}, {"home": (a_trigger(**before),)}, prune=False)
    told = list(describe_plan(plan))
    if not lines:
        assert told == ["Nothing to do: 1 unchanged."]
        return
    assert told[:2] == ['database "home"', '  ~ trigger "copy"']
    assert all(found.strip().startswith(line) for line, found in zip(lines, told[2:-1], strict=True))


def test_a_request_names_only_what_changes() -> None:
    before = with_options(a_trigger(), {"timeout_s": 30, "isolation": "trigger"})
    after = with_options(a_trigger(arguments={"a": "1"}, enabled=False), {"isolation": "trigger", "max_cpu_s": 1.5})
    assert Alteration("home", before, after).as_request() == {
        "trigger_arguments": {"a": "1"},
        "trigger_settings": {"timeout_s": None, "max_cpu_s": 1.5},
    }
    assert Alteration("home", a_trigger(), a_trigger(enabled=False)).as_request() == {}


def test_a_plan_is_told_by_database() -> None:
    wanted = {"zoo": (a_trigger("new"),), "home": (a_trigger("same"),), "shed": ()}
    present = {"home": (a_trigger("same"), a_trigger("stray")), "attic": (a_trigger(),)}
    assert list(describe_plan(make_plan(wanted, present, prune=False))) == [
        'database "home"',
        '    trigger "stray": not in the file, left alone; --prune removes it',
        'database "shed", which is new',
        'database "zoo", which is new',
        '  + trigger "new"',
        '      spec = "all_tables"',
        '      plugin = "copy.py"',
        "Plan: 1 to add, 0 to change, 0 to remove, 1 unchanged.",
    ]
    assert list(describe_plan(make_plan({"home": ()}, present, prune=True))) == [
        'database "home"',
        '  - trigger "same"',
        '  - trigger "stray"',
        "Plan: 0 to add, 0 to change, 2 to remove, 0 unchanged.",
    ]


def test_a_plan_may_be_only_to_send_plugins() -> None:
    sendings = (Sending("a.py", "", None), Sending("b.py", "", ("home", "copy")))
    plan = make_plan({"home": (a_trigger(),)}, {"home": (a_trigger(),)}, prune=False, sendings=sendings)
    assert not plan.is_empty
    assert list(describe_plan(plan)) == [
        'plugin "a.py" is sent',
        'plugin "b.py" is sent: the server\'s differs',
        "Plan: 2 to send, 0 to add, 0 to change, 0 to remove, 1 unchanged.",
    ]
