"""What Prometheus collects: requests, writes, the runs of each trigger, how far it is behind, and the process."""

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from engine.model.caches import LastCache
from engine.model.trigger import TriggerDefinition
from engine.runtime import Engine
from engine.server.figures import ServerFigures
from engine.server.replies import AnyReply, typed
from engine.server.requests import Request
from engine.server.routes.http_metrics import (
    call_families,
    process_families,
    query_families,
    request_families,
    write_families,
)
from engine.server.routes.object_store_metrics import object_store_families
from engine.server.routing import Context, Route, RouteTable
from engine.server.workers import in_own_thread
from engine.triggers.figures import BOUNDS_S, Distribution, RunFigures

if TYPE_CHECKING:
    from prometheus_client.core import Metric

TEXT = b"text/plain; version=0.0.4; charset=utf-8"

_LABELS = ("db", "trigger")

Rows = list[tuple[str, TriggerDefinition, RunFigures]]


async def metrics(context: Context, request: Request) -> AnyReply:
    """Answer all figures, in the text format of Prometheus."""
    return typed(await in_own_thread(lambda: exposition(context.engine, context.figures)), TEXT)


def exposition(engine: Engine, figures: ServerFigures) -> bytes:
    """Return the figures of ``engine``, of its server and of this process."""
    # Here: a server that nobody collects from does without it.
    from prometheus_client import CollectorRegistry
    from prometheus_client.openmetrics.exposition import generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families(engine, figures))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]  # the library types only its core
    return text


class Families:
    """Collects what is known when it is asked (the protocol of a Prometheus collector)."""

    def __init__(self, engine: Engine, figures: ServerFigures) -> None:
        self._engine = engine
        self._figures = figures

    def collect(self) -> "Iterator[Metric]":
        """Yield all families of figures."""
        yield from process_families()
        yield from request_families(self._figures)
        yield from call_families(self._figures)
        yield from write_families(self._figures)
        yield from query_families(self._engine)
        rows = self._engine.run_figures()
        yield from _of_runs(rows)
        yield from _of_triggers(rows, self._engine)
        yield from _of_caches(self._engine)
        yield from object_store_families(self._engine)


def _of_runs(rows: "Rows") -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    runs = CounterMetricFamily(
        "influxdb3_trigger_runs",
        "Runs of a trigger by how they ended, each attempt as one.",
        labels=(*_LABELS, "outcome"),
    )
    duration = HistogramMetricFamily(
        "influxdb3_trigger_run_duration_seconds", "Time that calls of the plugin took.", labels=_LABELS
    )
    lag = HistogramMetricFamily(
        "influxdb3_trigger_lag_seconds",
        "Time from when a run could have begun (rows durable, time due, request come) until its plugin was called.",
        labels=_LABELS,
    )
    for database, trigger, figures in rows:
        names = (database, trigger.name)
        for outcome, count in sorted(figures.outcomes.items()):
            runs.add_metric((*names, outcome), count)
        duration.add_metric(names, _buckets(figures.duration), figures.duration.sum_s)
        lag.add_metric(names, _buckets(figures.delay), figures.delay.sum_s)
    yield from (runs, duration, lag)
    for name, text, value in _SUMS:
        sums = CounterMetricFamily(name, text, labels=_LABELS)
        for database, trigger, figures in rows:
            sums.add_metric((database, trigger.name), value(figures))
        yield sums


def _of_triggers(rows: "Rows", engine: Engine) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    enabled = GaugeMetricFamily("influxdb3_trigger_enabled", "Whether a trigger is on.", labels=_LABELS)
    memory = GaugeMetricFamily(
        "influxdb3_trigger_peak_memory_bytes", "Most memory of the plugin host in the last run.", labels=_LABELS
    )
    behind = GaugeMetricFamily("influxdb3_trigger_lag_rows", "Rows not yet delivered.", labels=_LABELS)
    missed = CounterMetricFamily(
        "influxdb3_trigger_missed_rows", "Rows that left the log before they were delivered.", labels=_LABELS
    )
    for database, trigger, figures in rows:
        names = (database, trigger.name)
        enabled.add_metric(names, float(trigger.enabled))
        memory.add_metric(names, figures.peak_memory_bytes)
        progress = engine.trigger_lag(trigger.trigger_id)
        if progress is not None:
            behind.add_metric(names, progress.rows)
            missed.add_metric(names, progress.missed_rows)
    yield from (enabled, memory, behind, missed)


def _of_caches(engine: Engine) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily

    labels = ("db", "table", "cache", "kind")
    rows = GaugeMetricFamily("influxdb3_cache_rows", "Rows, or combinations of values, in a cache.", labels=labels)
    memory = GaugeMetricFamily("influxdb3_cache_size_bytes", "Memory that a cache takes, roughly.", labels=labels)
    for size in engine.caches.sizes():
        kind = "last" if isinstance(size.definition, LastCache) else "distinct"
        names = (size.database, size.definition.table, size.definition.name, kind)
        rows.add_metric(names, size.row_count)
        memory.add_metric(names, size.size_bytes)
    yield from (rows, memory)


_SUMS: tuple[tuple[str, str, Callable[[RunFigures], float]], ...] = (
    ("influxdb3_trigger_rows", "Rows that runs were given.", lambda f: f.rows_in),
    ("influxdb3_trigger_lines", "Lines that runs wrote.", lambda f: f.lines_out),
    ("influxdb3_trigger_cpu_seconds", "CPU time of the threads of runs.", lambda f: f.cpu_s),
)


def _buckets(distribution: Distribution) -> list[tuple[str, float]]:
    """Return (upper bound, number up to it) as Prometheus wants them."""
    bounds = (*(f"{bound:g}" for bound in BOUNDS_S), "+Inf")
    return list(zip(bounds, accumulate(distribution.counts), strict=True))


ROUTES: RouteTable = {("GET", "/metrics"): Route(metrics)}
