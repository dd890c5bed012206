"""Raises an alert when a series passes a threshold, clears it when it is well below again. See threshold_check.md."""

import calendar
import http.client
import json
import smtplib
import urllib.request
from datetime import timedelta
from email.message import EmailMessage

ALERTS = "threshold_alerts"
AGGREGATES = {"mean": "avg", "min": "min", "max": "max"}
MOST_PENDING = 100
TIMEOUT_S = 10


def process_scheduled_call(influxdb3_local, call_time, args=None):
    args = args or {}
    threshold = number(args, "threshold")
    clear_below = threshold - number(args, "hysteresis", abs(threshold) * 0.05)
    values = measured(influxdb3_local, call_time, args)
    raised = set(influxdb3_local.cache.get("raised", default=()))
    changes = [(series, "raised") for series, value in values.items() if series not in raised and value > threshold]
    changes += [(series, "cleared") for series in sorted(raised & values.keys()) if values[series] < clear_below]
    messages = []
    for series, event in changes:
        (raised.add if event == "raised" else raised.remove)(series)
        messages.append(alert(influxdb3_local, call_time, args, (series, event, values[series], threshold)))
    influxdb3_local.cache.put("raised", sorted(raised))
    influxdb3_local.info(f"checked {len(values)} series against {threshold:g}: {len(raised)} above it")
    if "webhook_url" in args:
        deliver(influxdb3_local, "webhook", lambda message: post(args["webhook_url"], message), messages)
    if "smtp_host" in args and "notify_email" in args:
        deliver(influxdb3_local, "mail", lambda m: mail(args["smtp_host"], args["notify_email"], m), messages)


def measured(influxdb3_local, call_time, args):
    """Return the aggregated value of each series that has rows in the time that is looked at."""
    table, field = args.get("table", "metrics"), args.get("field", "value")
    columns = influxdb3_local.query(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'iox' AND table_name = $table",
        {"table": table},
    )
    if field not in [column["column_name"] for column in columns]:
        influxdb3_local.warn(f"nothing to check: there is no table {table} with a field {field} yet")
        return {}
    tags = sorted(c["column_name"] for c in columns if c["data_type"].startswith("Dictionary"))
    group = ", ".join(map(quoted, tags))
    aggregate = AGGREGATES.get(args.get("aggregate", "mean"))
    if aggregate is None:
        raise ValueError(f"argument aggregate must be one of {', '.join(AGGREGATES)}")
    sql = f"SELECT {group + ', ' if tags else ''}{aggregate}({quoted(field)}) AS __value FROM {quoted(table)}"
    sql += " WHERE time >= $start AND time < $end" + (f" GROUP BY {group}" if tags else "")
    start = call_time - timedelta(minutes=number(args, "window_minutes", 60))
    rows = influxdb3_local.query(sql, {"start": start.isoformat() + "Z", "end": call_time.isoformat() + "Z"})
    return {series_name(row, tags): row["__value"] for row in rows if row["__value"] is not None}


def series_name(row, tags):
    return ",".join(f"{tag}={row[tag]}" for tag in tags if row[tag] is not None) or "(no tags)"


def alert(influxdb3_local, call_time, args, change):
    """Log an alert, write it as a row, and return it as the message for whoever shall be told."""
    series, event, value, threshold = change
    table, field = args.get("table", "metrics"), args.get("field", "value")
    text = f"{event}: {table}.{field} of {series} is {value:g}, threshold {threshold:g}"
    (influxdb3_local.warn if event == "raised" else influxdb3_local.info)(text)
    line = LineBuilder(ALERTS).tag("source_table", table).tag("field", field).tag("series", series)
    line.string_field("event", event).float64_field("value", value).float64_field("threshold", threshold)
    if "notify_email" in args:
        line.string_field("notify_email", args["notify_email"])
    influxdb3_local.write(line.time_ns(calendar.timegm(call_time.timetuple()) * 10**9))
    message = {"event": event, "table": table, "field": field, "series": series, "value": value}
    # Who gets a message twice – a server may die between sending and noting it – knows it by its id.
    message_id = f"{table}/{field}/{series}/{event}/{call_time.isoformat()}"
    return message | {"threshold": threshold, "time": call_time.isoformat() + "Z", "text": text, "id": message_id}


def deliver(influxdb3_local, channel, send, messages):
    """Send the messages; keep those that cannot be sent for the next check."""
    waiting = [*influxdb3_local.cache.get(f"pending:{channel}", default=()), *messages]
    failed = []
    for message in waiting[-MOST_PENDING:]:
        try:
            send(message)
        except (OSError, http.client.HTTPException, ValueError) as error:
            influxdb3_local.error(f"{channel}: cannot send {message['text']!r}: {error}")
            failed.append(message)
    influxdb3_local.cache.put(f"pending:{channel}", failed)


def post(url, message):
    if not url.startswith(("http://", "https://")):
        raise ValueError("argument webhook_url must begin with http:// or https://")
    body = json.dumps(message).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):
        pass


def mail(smtp_host, address, message):
    letter = EmailMessage()
    letter["From"] = letter["To"] = address
    letter["Subject"] = f"{message['event']}: {message['table']}.{message['field']}"
    letter["Message-ID"] = f"<{message['id'].encode().hex()}@influxdb3>"
    letter.set_content(message["text"])
    host, _, port = smtp_host.partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=TIMEOUT_S) as server:
        server.send_message(letter)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def number(args, name, default=None):
    text = args.get(name, default)
    try:
        return float(text)
    except (TypeError, ValueError):
        raise ValueError(f"argument {name} must be a number, not {text!r}") from None
