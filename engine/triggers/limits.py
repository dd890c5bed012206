"""What the runs of a trigger may use up and where they take place: the trigger's own options before the server's."""

from dataclasses import dataclass

from engine.model.trigger import Isolation, TriggerDefinition, TriggerLimits
from engine.plugins.environments import FOR_ALL, Ready
from engine.plugins.ports import SHARED_HOST, HostPlan, RunLimits

NO_LIMITS = TriggerLimits()


@dataclass(frozen=True, slots=True)
class LimitDefaults:
    """What holds where a trigger says nothing."""

    limits: TriggerLimits = NO_LIMITS
    isolation: Isolation = Isolation.SHARED


def run_limits(
    owner: str, definition: TriggerDefinition, defaults: LimitDefaults, environment: Ready = FOR_ALL
) -> RunLimits:
    """Return the limits of a run for which ``owner`` answers, and which takes place in ``environment``.

    A limit of memory or CPU time holds for a whole process, so it makes a host for this trigger alone.
    """
    limits = merged(definition.limits, defaults.limits)
    is_alone = (
        (definition.isolation or defaults.isolation) is Isolation.TRIGGER
        or limits.max_memory_bytes is not None
        or limits.max_cpu_s is not None
    )
    plan = SHARED_HOST
    if is_alone or environment.virtual_env is not None:
        plan = HostPlan(environment.key, is_alone, limits.max_memory_bytes, environment.virtual_env)
    return RunLimits(owner, limits.timeout_s, plan, limits.max_cpu_s)


def merged(own: TriggerLimits, defaults: TriggerLimits) -> TriggerLimits:
    """Return ``own`` with the defaults where it says nothing."""
    return TriggerLimits(
        own.timeout_s if own.timeout_s is not None else defaults.timeout_s,
        own.max_memory_bytes if own.max_memory_bytes is not None else defaults.max_memory_bytes,
        own.max_cpu_s if own.max_cpu_s is not None else defaults.max_cpu_s,
        own.max_rows_per_run if own.max_rows_per_run is not None else defaults.max_rows_per_run,
    )
