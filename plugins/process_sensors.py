"""Makes raw sensor readings clean: one unit, implausible values set apart, noise smoothed. See process_sensors.md."""

import math
import statistics

CLEAN, REJECTED = "sensor_clean", "sensor_rejected"
FORGET_AFTER_S = 24 * 3600  # a sensor that was silent for so long begins anew


def process_writes(influxdb3_local, table_batches, args=None):
    args = args or {}
    field = args.get("field", "temperature")
    tags = args.get("tags", "sensor").split()
    limits = number(args, "low", -40), number(args, "high", 85), number(args, "max_jump", 5)
    keep = max(1, int(number(args, "window", 9)))
    windows = {}
    rejected = 0
    for batch in table_batches:
        if batch["table_name"] in (CLEAN, REJECTED):
            continue
        for row in batch["rows"]:
            if row.get(field) is None:
                continue
            series = {tag: str(row[tag]) for tag in tags if row.get(tag)}
            key = f"recent:{sorted(series.items())}"
            if key not in windows:
                windows[key] = influxdb3_local.cache.get(key, default=[])
            value = celsius(row[field], row.get("unit"))
            reason = problem(value, windows[key], limits)
            if not isinstance(value, str) and reason in ("", "jump"):
                # Jumps enter the window too: a real change of level is accepted once it fills half of it.
                windows[key] = [*windows[key], value][-keep:]
            if reason:
                rejected += 1
                line = LineBuilder(REJECTED).tag("reason", reason).string_field("value", str(row[field]))
            else:
                line = LineBuilder(CLEAN).float64_field("celsius", round(value, 3))
                line.float64_field("smoothed", round(statistics.median(windows[key]), 3))
            for tag, text in series.items():
                line.tag(tag, text)
            influxdb3_local.write(line.time_ns(row["time"]))
    for key, recent in windows.items():
        influxdb3_local.cache.put(key, recent, ttl=FORGET_AFTER_S)
    if rejected:
        influxdb3_local.warn(f"{rejected} implausible readings, see table {REJECTED}")


def celsius(value, unit):
    """Return the value in degrees Celsius, or a word that says why there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "not_a_number"
    letter = (unit or "C").strip().lstrip("°").upper()
    if letter == "F":
        return (value - 32) * 5 / 9
    if letter == "K":
        return value - 273.15
    return float(value) if letter == "C" else "unknown_unit"


def problem(value, recent, limits):
    """Return why a value is implausible, or nothing."""
    low, high, max_jump = limits
    if isinstance(value, str):
        return value
    if not low <= value <= high:
        return "out_of_range"
    if recent and abs(value - statistics.median(recent)) > max_jump:
        return "jump"
    return ""


def number(args, name, default):
    text = args.get(name, default)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"argument {name} must be a number, not {text!r}") from None
