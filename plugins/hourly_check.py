"""Finds series that went silent, and says so once. See hourly_check.md."""

import calendar
from datetime import timedelta

FRESHNESS, EVENTS = "freshness", "freshness_events"


def process_scheduled_call(influxdb3_local, call_time, args=None):
    args = args or {}
    silent_s = number(args, "silent_minutes", 60) * 60
    start = call_time - timedelta(hours=number(args, "lookback_hours", 24))
    wanted = args.get("tables", "").split()
    now_ns = calendar.timegm(call_time.timetuple()) * 10**9
    for table, tags in tables_with_tags(influxdb3_local).items():
        if table in (FRESHNESS, EVENTS) or (wanted and table not in wanted):
            continue
        newest = newest_rows(influxdb3_local, table, tags, start)
        ages = {series: round((now_ns - newest_ns) / 1e9, 3) for series, newest_ns in newest.items()}
        silent = {series for series, age_s in ages.items() if age_s > silent_s}
        known = influxdb3_local.cache.get(f"silent:{table}", default=set())
        # A series that is not among the ages any more was silent all the time: it is forgotten without a word.
        for series in sorted(silent - known):
            report(influxdb3_local, now_ns, table, series, "silent", ages[series])
        for series in sorted(known & (ages.keys() - silent)):
            report(influxdb3_local, now_ns, table, series, "back", ages[series])
        influxdb3_local.cache.put(f"silent:{table}", silent)
        line = LineBuilder(FRESHNESS).tag("source_table", table)
        line.int64_field("series", len(ages)).int64_field("silent_series", len(silent))
        if ages:
            line.float64_field("age_s", min(ages.values()))
        influxdb3_local.write(line.time_ns(now_ns))


def tables_with_tags(influxdb3_local):
    """Return the tables of the database, each with its tags."""
    columns = influxdb3_local.query(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'iox'"
    )
    tables = {}
    for column in columns:
        tags = tables.setdefault(column["table_name"], [])
        if column["data_type"].startswith("Dictionary"):
            tags.append(column["column_name"])
    return tables


def newest_rows(influxdb3_local, table, tags, start):
    """Return the time of the newest row of each series, by a text that names the series."""
    group = ", ".join(map(quoted, tags))
    sql = f"SELECT {group + ', ' if tags else ''}max(time) AS __newest FROM {quoted(table)} WHERE time >= $start"
    found = influxdb3_local.query(f"{sql} GROUP BY {group}" if tags else sql, {"start": start.isoformat() + "Z"})
    rows = [row for row in found if row["__newest"] is not None]
    return {series_name(row, tags): row["__newest"] for row in rows}


def series_name(row, tags):
    return ",".join(f"{tag}={row[tag]}" for tag in sorted(tags) if row[tag] is not None) or "(no tags)"


def report(influxdb3_local, now_ns, table, series, event, age_s):
    log = influxdb3_local.warn if event == "silent" else influxdb3_local.info
    log(f"{table}: series {series} is {event}, its last row is {age_s / 60:.0f} minutes old")
    line = LineBuilder(EVENTS).tag("source_table", table).tag("series", series)
    influxdb3_local.write(line.string_field("event", event).float64_field("age_s", age_s).time_ns(now_ns))


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def number(args, name, default):
    text = args.get(name, default)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"argument {name} must be a number, not {text!r}") from None
