"""What the runs of a trigger may use up, and where they take place."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.model.trigger import Isolation, TriggerDefinition, TriggerLimits
from engine.model.trigger_spec import parse_trigger_spec
from engine.plugins.environments import Ready
from engine.plugins.ports import SHARED_HOST, HostPlan, RunLimits
from engine.triggers.limits import LimitDefaults, run_limits

ALONE = HostPlan(is_alone=True)
GB = 1 << 30


def limits_of(own: TriggerLimits, isolation: Isolation | None, defaults: LimitDefaults) -> RunLimits:
    spec = parse_trigger_spec("all_tables")
    definition = TriggerDefinition(1, "t", "p.py", spec, limits=own, isolation=isolation)
    return run_limits("owner", definition, defaults)


@pytest.mark.parametrize(
    ("own", "isolation", "defaults", "expected"),
    [
        pytest.param(TriggerLimits(), None, LimitDefaults(), RunLimits("owner"), id="nothing"),
        pytest.param(
            TriggerLimits(timeout_s=1.0), None, LimitDefaults(), RunLimits("owner", 1.0), id="timeout-needs-no-host"
        ),
        pytest.param(
            TriggerLimits(max_memory_bytes=GB),
            Isolation.SHARED,
            LimitDefaults(),
            RunLimits("owner", None, HostPlan(is_alone=True, max_memory_bytes=GB)),
            id="memory-makes-an-own-host",
        ),
        pytest.param(
            TriggerLimits(max_cpu_s=2.0),
            None,
            LimitDefaults(),
            RunLimits("owner", None, ALONE, 2.0),
            id="cpu-makes-an-own-host",
        ),
        pytest.param(
            TriggerLimits(),
            None,
            LimitDefaults(isolation=Isolation.TRIGGER),
            RunLimits("owner", None, ALONE),
            id="server-isolates",
        ),
        pytest.param(
            TriggerLimits(),
            Isolation.SHARED,
            LimitDefaults(isolation=Isolation.TRIGGER),
            RunLimits("owner"),
            id="trigger-shares-all-the-same",
        ),
        pytest.param(
            TriggerLimits(timeout_s=1.0),
            None,
            LimitDefaults(TriggerLimits(5.0, GB, 3.0)),
            RunLimits("owner", 1.0, HostPlan(is_alone=True, max_memory_bytes=GB), 3.0),
            id="own-before-default",
        ),
    ],
)
def test_limits_and_host_of_a_run(
    own: TriggerLimits, isolation: Isolation | None, defaults: LimitDefaults, expected: RunLimits
) -> None:
    assert limits_of(own, isolation, defaults) == expected


def test_without_limits_runs_share_the_host_of_all() -> None:
    assert limits_of(TriggerLimits(), None, LimitDefaults()).plan is SHARED_HOST


def test_a_plugin_with_an_environment_of_its_own_runs_there_with_others_of_the_same_needs() -> None:
    definition = TriggerDefinition(1, "t", "p.py", parse_trigger_spec("all_tables"))
    environment = Ready("hash", Path("/environment"))
    assert run_limits("owner", definition, LimitDefaults(), environment).plan == HostPlan(
        "hash", virtual_env=Path("/environment")
    )
    definition = replace(definition, isolation=Isolation.TRIGGER)
    plan = run_limits("owner", definition, LimitDefaults(), environment).plan
    assert plan == HostPlan("hash", is_alone=True, virtual_env=Path("/environment"))
