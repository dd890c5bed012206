"""What Prometheus collects of an object store."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.runtime import Engine

if TYPE_CHECKING:
    from prometheus_client.core import Metric


def object_store_families(engine: Engine) -> "Iterator[Metric]":
    """Yield the figures of the object store of ``engine``, none if everything is in its folder."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    figures = engine.store.objects.figures()
    if figures is None:
        return
    yield GaugeMetricFamily("object_store_up", "Whether the object store could be used lately.", value=figures.is_up)
    yield GaugeMetricFamily("object_store_cache_bytes", "Files of it that are on this machine.", figures.cache_bytes)
    labels = ("op", "result", "bucket")
    objects = CounterMetricFamily("object_store_transfer_objects", "Requests to the object store.", labels=labels)
    size = CounterMetricFamily("object_store_transfer_bytes", "Bytes that they moved.", labels=labels)
    time = CounterMetricFamily("object_store_op_seconds", "Time that they took.", labels=labels)
    for operation, result, requests, moved, seconds in engine.transfers.figures():
        names = (operation, result, figures.url)
        objects.add_metric(names, requests)
        size.add_metric(names, moved)
        time.add_metric(names, seconds)
    yield from (objects, size, time)
