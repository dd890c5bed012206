"""A plugin with types everywhere: ``make lint`` holds it against those of ``influxdb3_plugin``, a test runs it."""

from datetime import datetime

import pyarrow.compute as pc

from engine.host.api import PluginCache, PyPluginCallApi
from influxdb3_plugin import (
    Args,
    Cache,
    InfluxDB3Local,
    InfluxDBError,
    LineBuilder,
    QueryError,
    RequestHeaders,
    Response,
    Row,
    TableBatch,
)


class ManyLines:
    """A writer of one's own."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def build(self) -> str:
        """Return a line for each row."""
        return "\n".join(f"copies v={row['v']} {row['time']}" for row in self._rows)


def process_writes(influxdb3_local: InfluxDB3Local, table_batches: list[TableBatch], args: Args = None) -> None:
    limit = float(args["limit"]) if args else 0.0
    for batch in table_batches:
        name: str = batch["table_name"]
        rows: list[Row] = batch["rows"]
        influxdb3_local.write(ManyLines([row for row in rows if row["v"] > limit]))
        columns = batch.to_arrow()
        influxdb3_local.write_arrow("high", columns.filter(pc.greater(columns["v"], limit)), tags=[])
        influxdb3_local.info(name, len(rows), limit)


def process_scheduled_call(influxdb3_local: InfluxDB3Local, call_time: datetime, args: Args = None) -> None:
    try:
        found = influxdb3_local.query("SELECT v FROM m WHERE v > $low", {"low": 1}, database="other")
        found += influxdb3_local.query_arrow("SELECT v FROM m").to_pylist()
    except QueryError as error:
        influxdb3_local.warn(error)
        found = []
    try:
        line = LineBuilder("counts").tag("at", call_time).int64_field("rows", len(found)).time_ns(None)
    except InfluxDBError:
        raise
    influxdb3_local.write_sync(line, no_sync=True)


def process_request(
    influxdb3_local: InfluxDB3Local,
    query_parameters: dict[str, str],
    request_headers: RequestHeaders,
    request_body: bytes,
    args: Args = None,
) -> Response:
    cache: Cache = influxdb3_local.cache
    kind: str = request_headers.get("content-type", request_headers.method + request_headers.path)
    influxdb3_local.info(kind, request_headers.query_string)
    count: int = cache.get("count", 0, use_global=False) + 1
    cache.put("count", count, ttl=60)
    return {"count": count, "length": len(request_body)}, 201, {"X-Count": str(count)}


def is_what_plugins_get(real: PyPluginCallApi, cache: PluginCache) -> tuple[InfluxDB3Local, Cache]:
    """The real classes fit the types."""
    return real, cache
