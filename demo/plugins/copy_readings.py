"""On every write to ``readings``: convert to Fahrenheit, and count the rows in the cache."""

import uuid


def process_writes(influxdb3_local, table_batches, args=None):
    counted = influxdb3_local.cache.get("counted", default=0)
    for batch in table_batches:
        for row in batch["rows"]:
            counted += 1
            line = LineBuilder("fahrenheit")
            line.tag("sensor", row["sensor"])
            # A tag of its own for every effect: a row that was processed twice would be there twice.
            line.tag("effect", str(uuid.uuid4()))
            line.float64_field("degrees", row["celsius"] * 9 / 5 + 32)
            line.int64_field("number", row["number"])
            line.int64_field("attempt", row["attempt"])
            line.int64_field("counted", counted)
            line.time_ns(row["time"])
            influxdb3_local.write(line)
    influxdb3_local.cache.put("counted", counted)
