"""Summarises rows per minute and scores how unusual each value is. See heavy_process.md.

Made for triggers that run asynchronously: no run depends on another. A summary is partial – it covers the rows of one
batch – and parts of the same minute add up in whatever order they were written.
"""

import re
from datetime import UTC, datetime, timedelta

SUMMARY, ANOMALIES = "_summary", "_anomalies"
TAGS_FOR_S = 60  # how long the names of a table's tags are taken from the cache


def process_writes(influxdb3_local, table_batches, args=None):
    args = args or {}
    bucket_ns = int(number(args, "bucket_s", 60) * 1e9)
    for batch in table_batches:
        table, rows = batch["table_name"], batch["rows"]
        if not rows or table.endswith((SUMMARY, ANOMALIES)):
            continue
        tags = tags_of(influxdb3_local, table)
        fields = sorted({name for row in rows for name, value in row.items() if name != "time" and is_number(value)})
        summarise(influxdb3_local, table, (rows, tags, fields), bucket_ns)
        if fields:
            score(influxdb3_local, table, (rows, tags, fields), args)


def tags_of(influxdb3_local, table):
    tags = influxdb3_local.cache.get(f"tags:{table}")
    if tags is None:
        columns = influxdb3_local.query(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'iox' AND table_name = $table",
            {"table": table},
        )
        tags = sorted(c["column_name"] for c in columns if c["data_type"].startswith("Dictionary"))
        influxdb3_local.cache.put(f"tags:{table}", tags, ttl=TAGS_FOR_S)
    return tags


def summarise(influxdb3_local, table, batch, bucket_ns):
    """Write for each series and bucket: rows, sum, smallest and largest value of each field."""
    rows, tags, fields = batch
    parts = {}
    for row in rows:
        series = tuple(row.get(tag) for tag in tags)
        parts.setdefault((series, row["time"] // bucket_ns), []).append(row)
    for (series, _), members in parts.items():
        line = line_for(table + SUMMARY, tags, series)
        for field in fields:
            values = [row[field] for row in members if is_number(row.get(field))]
            if values:
                line.int64_field(f"{clean(field)}_rows", len(values))
                line.float64_field(f"{clean(field)}_sum", float(sum(values)))
                line.float64_field(f"{clean(field)}_min", float(min(values)))
                line.float64_field(f"{clean(field)}_max", float(max(values)))
        if line.fields:
            # The time of its own first row: no other part of this minute has it.
            influxdb3_local.write(line.time_ns(min(row["time"] for row in members)))


def score(influxdb3_local, table, batch, args):
    """Write the values that lie more standard deviations from the mean of the hour before than allowed."""
    rows, tags, fields = batch
    most, least_rows = number(args, "score", 4), number(args, "least_rows", 30)
    known = history(influxdb3_local, table, batch, number(args, "history_minutes", 60))
    found = 0
    for row in rows:
        series = tuple(row.get(tag) for tag in tags)
        past = known.get(series, {})
        for number_of, field in enumerate(fields):
            value, mean = row.get(field), past.get(f"mean_{number_of}")
            if not is_number(value) or mean is None or past[f"rows_{number_of}"] < least_rows:
                continue
            spread = past[f"spread_{number_of}"] or abs(mean) * 0.01 or 1.0  # values that never changed have none
            distance = abs(value - mean) / spread
            if distance > most:
                found += 1
                line = line_for(table + ANOMALIES, tags, series).tag("field", field)
                line.float64_field("value", float(value)).float64_field("score", round(distance, 2))
                influxdb3_local.write(line.float64_field("expected", mean).time_ns(row["time"]))
    if found:
        influxdb3_local.warn(f"{found} unusual values in table {table}")


def history(influxdb3_local, table, batch, minutes):
    """Return rows, mean and standard deviation of each field in the time before the batch, by series."""
    rows, tags, fields = batch
    end = datetime.fromtimestamp(min(row["time"] for row in rows) // 10**9, UTC).replace(tzinfo=None)
    columns = [quoted(tag) for tag in tags]
    for number_of, field in enumerate(map(quoted, fields)):
        columns.append(f"count({field}) AS rows_{number_of}, avg({field}) AS mean_{number_of}")
        columns.append(f"stddev({field}) AS spread_{number_of}")
    sql = f"SELECT {', '.join(columns)} FROM {quoted(table)} WHERE time >= $start AND time < $end"
    sql += f" GROUP BY {', '.join(map(quoted, tags))}" if tags else ""
    start = end - timedelta(minutes=minutes)
    found = influxdb3_local.query(sql, {"start": start.isoformat() + "Z", "end": end.isoformat() + "Z"})
    return {tuple(row[tag] for tag in tags): row for row in found}


def line_for(table, tags, series):
    line = LineBuilder(clean(table))
    for tag, value in zip(tags, series, strict=True):
        if value:
            line.tag(clean(tag), value)
    return line


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def clean(name):
    """Return the name without what ``LineBuilder`` refuses in names."""
    return re.sub(r"[\s,=]", "_", name)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def number(args, name, default):
    text = args.get(name, default)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"argument {name} must be a number, not {text!r}") from None
