"""The plugins of the crash test; whatever they write has a tag of its own, so that a repeated effect shows."""

from pathlib import Path

POISONOUS_EVERY, POISONOUS_REST = 61, 13
TRANSIENT_EVERY, TRANSIENT_REST = 37, 5

RELAY = """
import time
import uuid


def process_writes(influxdb3_local, table_batches, args=None):
    counted = influxdb3_local.cache.get("counted", default=0)
    for row in (row for batch in table_batches for row in batch["rows"]):
        counted += 1
        line = LineBuilder(args["to"]).tag("effect", str(uuid.uuid4())).tag("writer", row["writer"])
        line.int64_field("number", row["number"]).int64_field("try", row["try"]).int64_field("round", row["round"])
        line.int64_field("counted", counted).int64_field("label", int(args.get("label", "0")))
        influxdb3_local.write(line.time_ns(row["time"]))
    if "counts" in args:
        influxdb3_local.cache.put("counted", counted)
    time.sleep(float(args.get("pause", "0")))
"""
PICKY = f"""
import sys
import uuid

# Each run has globals of its own: what is seen stays seen as long as the process lives.
SEEN = sys.__dict__.setdefault("_seen_rows", set())


def process_writes(influxdb3_local, table_batches, args=None):
    rows = [row for batch in table_batches for row in batch["rows"]]
    transient = {{(row["number"], row["try"]) for row in rows if row["number"] % {TRANSIENT_EVERY} == {TRANSIENT_REST}}}
    is_down = not transient <= SEEN
    SEEN.update(transient)
    counted = influxdb3_local.cache.get("counted", default=0)
    for row in rows:
        counted += 1
        influxdb3_local.cache.put("counted", counted)
        line = LineBuilder("evened").tag("effect", str(uuid.uuid4())).tag("writer", row["writer"])
        line.int64_field("number", row["number"]).int64_field("try", row["try"]).int64_field("counted", counted)
        influxdb3_local.write(line.time_ns(row["time"]))
        if row["number"] % {POISONOUS_EVERY} == {POISONOUS_REST} and row["number"] >= int(args["mended"]):
            raise ValueError(f"row {{row['number']}} is poisonous")
    if is_down:
        raise ConnectionError("a transient failure")
"""
TICK = """
import random
import time
import uuid


def process_scheduled_call(influxdb3_local, call_time, args=None):
    call = call_time.isoformat()
    # At once, and the same row however often the run is repeated.
    influxdb3_local.write_sync(LineBuilder("begun").tag("call", call).int64_field("n", 1).time_ns(1), no_sync=False)
    influxdb3_local.query("SELECT count(*) AS n FROM begun")
    time.sleep(random.uniform(0, 0.3))
    influxdb3_local.info("tick", call)
    influxdb3_local.write(LineBuilder("ticks").tag("effect", str(uuid.uuid4())).string_field("call", call))
"""
CLOCK = """
import uuid


def process_scheduled_call(influxdb3_local, call_time, args=None):
    counted = influxdb3_local.cache.get("calls", default=0, use_global=True) + 1
    influxdb3_local.cache.put("calls", counted, use_global=True)
    line = LineBuilder("clocked").tag("effect", str(uuid.uuid4())).int64_field("counted", counted)
    influxdb3_local.write(line.int64_field("call", int((call_time - call_time.min).total_seconds())))
"""
ORDER = """
import uuid


def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    counted = influxdb3_local.cache.get("counted", default=0) + 1
    influxdb3_local.cache.put("counted", counted)
    line = LineBuilder("ordered").tag("effect", str(uuid.uuid4())).string_field("name", request_body.decode())
    influxdb3_local.write(line.int64_field("counted", counted))
    return {"counted": counted}
"""


def write_plugins(folder: Path) -> None:
    """Make the plugin folder."""
    folder.mkdir()
    for name, code in (("relay", RELAY), ("picky", PICKY), ("tick", TICK), ("clock", CLOCK), ("order", ORDER)):
        (folder / f"{name}.py").write_text(code)


def is_poisonous(number: int) -> bool:
    """Return whether ``picky.py`` does not take the row of this number, as long as it is not mended."""
    return number % POISONOUS_EVERY == POISONOUS_REST
