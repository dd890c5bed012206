"""Takes rows as JSON from whoever knows the secret, checks them, and writes all or none. See webhook_handler.md."""

import hashlib
import hmac
import json
import math
import re
from datetime import UTC, datetime, timedelta

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    args = args or {}
    most_rows = args.get("most_rows", "5000")
    if not most_rows.isdecimal():
        raise ValueError(f"argument most_rows must be a number, not {most_rows!r}")
    if not is_allowed(args.get("secret"), request_headers, request_body):
        influxdb3_local.warn("refused a request without the right secret")
        return {"status": "error", "message": "wrong or missing secret"}, 401
    if not request_body:
        return {"status": "ready", "rows_written": influxdb3_local.cache.get("rows", default=0)}
    try:
        lines = Lines(items_of(request_body, int(most_rows)), args)
    except (ValueError, RecursionError) as error:
        return {"status": "error", "message": str(error)}, 400
    if lines.errors:
        return {"status": "error", "message": "nothing was written", "errors": lines.errors[:20]}, 422
    try:
        # At once, not at the end of the run: so the caller hears what the database says of the rows.
        influxdb3_local.write_sync(lines, no_sync=False)
    except Exception as error:
        if "line protocol" not in str(error).partition("Cannot write: ")[2]:
            raise
        return {"status": "error", "message": str(error)}, 422
    influxdb3_local.cache.put("rows", influxdb3_local.cache.get("rows", default=0) + len(lines.texts))
    return {"status": "success", "rows_written": len(lines.texts)}


def is_allowed(secret, headers, body):
    """Accept the secret itself, or the body signed with it as GitHub and others do."""
    if not secret:
        return True
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    given = headers.get("x-webhook-secret", ""), headers.get("x-hub-signature-256", "")
    return any(hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(given, (secret, signature), strict=True))


def items_of(body, most):
    data = json.loads(body)
    items = data if isinstance(data, list) else [data]
    if not items or len(items) > most:
        raise ValueError(f"expected 1 to {most} rows, got {len(items)}")
    return items


class Lines:
    """The lines for many rows; what is wrong with a row stands in ``errors``."""

    def __init__(self, items, args):
        self.table = args.get("table", "webhook")
        self.tag_names = args.get("tags", "").split()
        self.texts = []
        self.errors = []
        for number, item in enumerate(items):
            try:
                self.texts.append(self.line(item).build())
            except (ValueError, OverflowError) as error:
                self.errors.append({"row": number, "message": str(error)})

    def build(self):
        return "\n".join(self.texts)

    def line(self, item):
        if not isinstance(item, dict):
            raise ValueError("a row must be a JSON object")
        if isinstance(item.get("fields"), dict):
            table, tags, fields = item.get("table", self.table), item.get("tags") or {}, item["fields"]
        else:  # any other object is a row itself: its plain members are fields, nested ones are left out
            table = self.table
            tags = {name: item[name] for name in self.tag_names if item.get(name) is not None}
            fields = {n: v for n, v in item.items() if n not in (*tags, "time") and not isinstance(v, dict | list)}
        line = LineBuilder(checked_name("table", table))
        for name, value in checked_members("tags", tags):
            line.tag(name, checked_text(str(value), "a tag"))
        for name, value in checked_members("fields", fields):
            add_field(line, name, value)
        if not line.fields:
            raise ValueError("a row needs at least one field")
        return line.time_ns(nanoseconds(item.get("time")))


def checked_members(kind, members):
    if not isinstance(members, dict):
        raise ValueError(f"{kind} must be a JSON object")
    return [(checked_name(kind, name), value) for name, value in members.items() if value is not None]


def checked_name(kind, name):
    if not isinstance(name, str) or not NAME.fullmatch(name) or name == "time":
        raise ValueError(f"{kind}: {name!r} is no name (letters, digits, '_', '.', '-'; at most 64; not 'time')")
    return name


def checked_text(text, what):
    if not text or any(c in text for c in "\n\r"):
        raise ValueError(f"{what} must have text, on one line")
    text.encode()  # half a surrogate pair raises ValueError
    return text


def add_field(line, name, value):
    """Add a field; all numbers become floats, for JSON writes 1.0 as 1 and a column has one type."""
    if isinstance(value, bool):
        line.bool_field(name, value)
    elif isinstance(value, int | float):
        if not math.isfinite(float(value)):
            raise ValueError(f"field {name!r} is not a finite number")
        line.float64_field(name, float(value))
    elif isinstance(value, str):
        value.encode()
        line.string_field(name, value)
    else:
        raise ValueError(f"field {name!r} must be a number, a text or a boolean")


def nanoseconds(time):
    """Return the time of a row: integer nanoseconds, or ISO 8601 text (UTC unless it says otherwise), or none."""
    if time is None:
        return None
    if isinstance(time, str):
        read = datetime.fromisoformat(time)
        read = read if read.tzinfo else read.replace(tzinfo=UTC)
        time = (read - EPOCH) // timedelta(microseconds=1) * 1000
    if isinstance(time, bool) or not isinstance(time, int) or not -(2**63) < time < 2**63:
        raise ValueError(f"time {time!r} must be integer nanoseconds or ISO 8601 text, from 1678 to 2262")
    return time
