"""Types for authors of plugins: what the Processing engine hands to them, by names that an editor understands.

A plugin may import them, and need not. ``LineBuilder`` is the very class that plugins find without any import; the
exceptions are those that are raised; the batch and the headers are the classes of the objects that plugins get.

    from influxdb3_plugin import Args, InfluxDB3Local, LineBuilder, TableBatch

    def process_writes(influxdb3_local: InfluxDB3Local, table_batches: list[TableBatch], args: Args = None) -> None:
        ...
"""

from engine.host.errors import QueryError
from engine.host.request import RequestHeaders
from engine.host.table_batch import Row, TableBatch
from engine.lineprotocol.builder import (
    InfluxDBError,
    InvalidKeyError,
    InvalidLineError,
    InvalidMeasurementError,
    LineBuilder,
)
from influxdb3_plugin.api import Args, Body, Cache, InfluxDB3Local, LineSource, Parameter, Response

__all__ = [
    "Args",
    "Body",
    "Cache",
    "InfluxDB3Local",
    "InfluxDBError",
    "InvalidKeyError",
    "InvalidLineError",
    "InvalidMeasurementError",
    "LineBuilder",
    "LineSource",
    "Parameter",
    "QueryError",
    "RequestHeaders",
    "Response",
    "Row",
    "TableBatch",
]
