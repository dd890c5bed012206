"""Writes smallest, mean and largest value of every numeric field of the day before. See daily_report.md."""

import calendar
import math
from datetime import timedelta

REPORT = "daily_report"
NUMERIC = ("Int64", "UInt64", "Float64")


def process_scheduled_call(influxdb3_local, call_time, args=None):
    args = args or {}
    wanted = args.get("tables", "").split()
    end = call_time.replace(hour=0, minute=0, second=0, microsecond=0)
    start = end - timedelta(days=1)
    for table, columns in tables_with_columns(influxdb3_local).items():
        fields = [name for name, kind in columns.items() if kind in NUMERIC]
        if table == REPORT or not fields or (wanted and table not in wanted):
            continue
        group = args.get("group_by", "")
        group = group if columns.get(group, "").startswith("Dictionary") else None
        try:
            found = influxdb3_local.query(
                report_query(table, fields, group), {"start": start.isoformat() + "Z", "end": end.isoformat() + "Z"}
            )
        except Exception as error:  # noqa: BLE001 - one table, perhaps dropped just now, must not cost the whole report
            influxdb3_local.error(f"no report for table {table}: {error}")
            continue
        for row in found:
            series = f"{group}={row['report_group']}" if row["report_group"] else ""
            report(influxdb3_local, (table, series), (fields, row), start)


def tables_with_columns(influxdb3_local):
    """Return the types of the columns, by table and column."""
    tables = {}
    for column in influxdb3_local.query(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'iox' ORDER BY table_name, column_name"
    ):
        tables.setdefault(column["table_name"], {})[column["column_name"]] = column["data_type"]
    return tables


def report_query(table, fields, group):
    columns = [f"{quoted(group)} AS report_group"] if group else ["NULL AS report_group"]
    for number, field in enumerate(map(quoted, fields)):
        columns.append(f"count({field}) AS rows_{number}, min({field}) AS min_{number}")
        columns.append(f"avg({field}) AS mean_{number}, max({field}) AS max_{number}")
    sql = f"SELECT {', '.join(columns)} FROM {quoted(table)} WHERE time >= $start AND time < $end"
    return f"{sql} GROUP BY {quoted(group)} ORDER BY report_group" if group else sql


def report(influxdb3_local, whose, result, start):
    """Write one line for each field that has values, and log all of them as one text."""
    table, series = whose
    fields, row = result
    texts = []
    for number, field in enumerate(fields):
        values = {name: row[f"{name}_{number}"] for name in ("min", "mean", "max")}
        if not row[f"rows_{number}"] or not all(map(math.isfinite, values.values())):
            continue
        line = LineBuilder(REPORT).tag("source_table", table).tag("field", field)
        if series:
            line.tag("series", series)
        for name, value in values.items():
            line.float64_field(name, float(value))
        line.int64_field("rows", row[f"rows_{number}"])
        influxdb3_local.write(line.time_ns(calendar.timegm(start.timetuple()) * 10**9))
        texts.append(f"{field} {values['min']:g} / {values['mean']:g} / {values['max']:g}")
    if texts:
        influxdb3_local.info(
            f"{start:%Y-%m-%d} {table}{series and f' ({series})'}, min / mean / max: {', '.join(texts)}"
        )


def quoted(name):
    return '"' + name.replace('"', '""') + '"'
