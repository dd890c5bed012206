"""What Prometheus collects of requests, writes, the memory of queries and the process."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from engine.query.figures import QueryFigures
from engine.runtime import Engine
from engine.server.figures import BOUNDS_BYTES, BOUNDS_NS, RequestKind, ServerFigures
from engine.server.version import PRODUCT, process_id, product_version, revision

if TYPE_CHECKING:
    from prometheus_client.core import Metric

NS_PER_S = 1e9
START = "process_start_time_seconds"

_VARIANTS = {"/api/v3/query_sql": "sql", "/api/v3/query_influxql": "influxql", "/query": "influxql"}

_BOUNDS_S = (*(f"{bound / NS_PER_S:g}" for bound in BOUNDS_NS), "+Inf")
_BOUNDS_B = (*(str(bound) for bound in BOUNDS_BYTES), "+Inf")


def process_families() -> "Iterator[Metric]":
    """Yield the figures of this process; its start names the product, as clients look for it."""
    from prometheus_client import ProcessCollector
    from prometheus_client.core import GaugeMetricFamily

    for family in ProcessCollector(registry=None).collect():
        if family.name != START:
            yield family
            continue
        names = ("product_name", "version", "git_hash", "uuid")
        values = (PRODUCT, product_version(), revision(), process_id())
        labelled = GaugeMetricFamily(START, family.documentation, labels=names)
        for sample in family.samples:
            labelled.add_metric(values, sample.value)
        yield labelled


def request_families(figures: ServerFigures) -> "Iterator[Metric]":
    """Yield the figures of HTTP requests; there is no family of none."""
    from prometheus_client.core import Metric

    counted = figures.requests()
    if not counted:
        return
    number = Metric("http_requests", "HTTP requests by how they were answered.", "counter")
    duration = Metric(
        "http_request_duration_seconds", "Time from the head of a request to the end of its answer.", "histogram"
    )
    size = Metric("http_response_body_size_bytes", "Sizes of the bodies of answers.", "histogram")
    for kind, of_kind in counted:
        labels = _labels(kind)
        number.add_sample("http_requests_total", labels, sum(of_kind.durations))
        _add(duration, labels, zip(_BOUNDS_S, of_kind.durations, strict=True), of_kind.sum_ns / NS_PER_S)
        _add(size, labels, zip(_BOUNDS_B, of_kind.sizes, strict=True), of_kind.sum_bytes)
    yield from (number, duration, size)


def call_families(figures: ServerFigures) -> "Iterator[Metric]":
    """Yield the figures of calls over gRPC; there is no family of none."""
    from prometheus_client.core import Metric

    counted = figures.calls.calls()
    if not counted:
        return
    number = Metric("grpc_requests", "Calls over gRPC by how they ended.", "counter")
    duration = Metric("grpc_request_duration_seconds", "Time from the beginning of a call to its end.", "histogram")
    for path, status, counts, sum_ns in counted:
        labels = {"path": path, "status": status}
        number.add_sample("grpc_requests_total", labels, sum(counts))
        _add(duration, labels, zip(_BOUNDS_S, counts, strict=True), sum_ns / NS_PER_S)
    yield from (number, duration)


def write_families(figures: ServerFigures) -> "Iterator[Metric]":
    """Yield the figures of writes through HTTP, by database."""
    from prometheus_client.core import CounterMetricFamily

    counted = figures.writes()
    if not counted:
        return
    lines = CounterMetricFamily("influxdb3_write_lines", "Lines that were written.", labels=("db",))
    rejected = CounterMetricFamily("influxdb3_write_lines_rejected", "Lines that were refused.", labels=("db",))
    size = CounterMetricFamily("influxdb3_write_bytes", "Bytes of bodies of which lines were written.", labels=("db",))
    for database, of_database in counted:
        lines.add_metric((database,), of_database.lines)
        rejected.add_metric((database,), of_database.rejected)
        size.add_metric((database,), of_database.bytes)
    yield from (lines, rejected, size)


def query_families(engine: Engine) -> "Iterator[Metric]":
    """Yield the memory that queries may use (how much they use, DataFusion does not tell), and what they came to."""
    from prometheus_client.core import GaugeMetricFamily

    memory = GaugeMetricFamily("datafusion_mem_pool_bytes", "Memory that queries may use.", labels=("state",))
    memory.add_metric(("limit",), engine.settings.exec_mem_pool_size_bytes)
    yield memory
    yield from _log_families(engine.query_log.figures)


def _log_families(figures: QueryFigures) -> "Iterator[Metric]":
    """Yield what queries came to; there is no family of none."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

    phases = figures.entered()
    if not phases:
        return
    prefix = "influxdb_iox_query_log"
    entered = CounterMetricFamily(f"{prefix}_phase_entered", "Queries that came into a phase.", labels=("phase",))
    current = GaugeMetricFamily(f"{prefix}_phase_current", "Queries that are in a phase.", labels=("phase",))
    for phase, count in phases:
        entered.add_metric((phase,), count)
    for phase, count in figures.current():
        current.add_metric((phase,), count)
    yield from (entered, current)
    for name, durations in figures.durations():
        family = Metric(f"{prefix}_{name}_duration_seconds", f"Time that queries took: {name}.", "histogram")
        _add(family, {}, zip(_BOUNDS_S, durations.counts, strict=True), durations.sum_ns / NS_PER_S)
        yield family


def _labels(kind: RequestKind) -> dict[str, str]:
    labels = {"method": kind.method, "status": kind.status}
    if kind.path:
        labels |= {"path": kind.path, "method_path": f"{kind.method} {kind.path}"}
    if kind.path in _VARIANTS:
        labels["query_variant"] = _VARIANTS[kind.path]
    return labels


def _add(family: "Metric", labels: dict[str, str], ranges: Iterable[tuple[str, int]], total: float) -> None:
    """Add a histogram with these (upper bound, number in the range) and this sum of all values."""
    count = 0
    for bound, number in ranges:
        count += number
        family.add_sample(f"{family.name}_bucket", labels | {"le": bound}, count)
    family.add_sample(f"{family.name}_count", labels, count)
    family.add_sample(f"{family.name}_sum", labels, total)
