"""Counts what arrives in every table, and how late it is. See process_all_data.md."""

import time

STATISTICS = "ingest_statistics"


def process_writes(influxdb3_local, table_batches, args=None):
    ignored = {STATISTICS, *(args or {}).get("ignore", "").split()}
    arrived = {}
    for batch in table_batches:
        if batch["rows"] and batch["table_name"] not in ignored:
            arrived.setdefault(batch["table_name"], []).extend(batch["rows"])
    now_ns = time.time_ns()
    for table, rows in arrived.items():
        before = influxdb3_local.cache.get(f"rows:{table}")
        if before is None:
            influxdb3_local.info(f"first rows of table {table}: columns {', '.join(rows[0])}")
        total = (before or 0) + len(rows)
        influxdb3_local.cache.put(f"rows:{table}", total)
        times = [row["time"] for row in rows]
        line = LineBuilder(STATISTICS)
        line.tag("source_table", table)
        line.int64_field("rows", len(rows))
        line.int64_field("total_rows", total)
        line.int64_field("columns", len(rows[0]))
        line.float64_field("newest_age_s", round((now_ns - max(times)) / 1e9, 3))
        line.float64_field("oldest_age_s", round((now_ns - min(times)) / 1e9, 3))
        influxdb3_local.write(line)
