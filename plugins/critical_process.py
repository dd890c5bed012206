"""Books every row exactly once into a ledger without gaps, and refuses what must not be booked. See critical_process.md.

Use it with ``--error-behavior retry``, and not asynchronously: the ledger has one order.
"""

import re
from decimal import Decimal

LEDGER = "important_ledger"
ID = re.compile(r"[\w.:/@+-]{1,200}")
LARGEST = 1e15  # beyond it a float cannot tell cents apart


def process_writes(influxdb3_local, table_batches, args=None):
    args = args or {}
    table = args.get("ledger", LEDGER)
    remember_s = number(args, "remember_hours", 24) * 3600
    cache = influxdb3_local.cache
    rows = [row for batch in table_batches if batch["table_name"] != table for row in batch["rows"]]
    entries = [checked(row) for row in rows]  # first all checks: a run that raises leaves nothing behind
    sequence, total = cache.get("ledger") or resumed(influxdb3_local, table)
    repeated = 0
    for entry_id, amount, row in entries:
        if cache.get(f"id:{entry_id}"):
            repeated += 1  # a client that got no answer has sent it again
            continue
        cache.put(f"id:{entry_id}", True, ttl=remember_s)
        sequence, total = sequence + 1, total + amount
        line = LineBuilder(table).tag("id", entry_id)
        if row.get("account"):
            line.tag("account", row["account"])
        line.float64_field("amount", float(amount)).float64_field("total", float(total))
        influxdb3_local.write(line.int64_field("sequence", sequence).time_ns(row["time"]))
    cache.put("ledger", (sequence, total))
    again = f", {repeated} were there already" if repeated else ""
    influxdb3_local.info(f"booked {len(entries) - repeated} rows{again}; entry {sequence}, total {total}")


def checked(row):
    """Return id, amount and row; raises ``ValueError`` for a row that must not be booked."""
    entry_id, amount = row.get("id"), row.get("amount")
    if not isinstance(entry_id, str) or not ID.fullmatch(entry_id):
        raise ValueError(f"row at {row['time']}: {entry_id!r} is no id (letters, digits and _.:/@+-, at most 200)")
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not -LARGEST <= amount <= LARGEST:
        raise ValueError(f"row {entry_id!r}: {amount!r} is no amount (a number up to {LARGEST:g})")
    return entry_id, Decimal(str(amount)), row


def resumed(influxdb3_local, table):
    """Return last number and total as the ledger has them: the cache is empty at first, and after the trigger was off."""
    tables = {row["table_name"] for row in influxdb3_local.query("SHOW TABLES") if row["table_schema"] == "iox"}
    if table not in tables:
        return 0, Decimal(0)
    quoted = '"' + table.replace('"', '""') + '"'
    (last,) = influxdb3_local.query(f"SELECT max(sequence) AS sequence, sum(amount) AS total FROM {quoted}")
    return last["sequence"] or 0, Decimal(str(last["total"] or 0))


def number(args, name, default):
    text = args.get(name, default)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"argument {name} must be a number, not {text!r}") from None
