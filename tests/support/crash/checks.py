"""What must hold of a server that was killed and has come back: differences between what was promised and what is there."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.crash.people import Asker, Guests, Key, Stock, numbers_of
from tests.support.crash.plugins import is_poisonous
from tests.support.live import Client

MOST_SHOWN = 12
LAST_WRITER = "end"
ALARMS = ("Traceback", "CRITICAL", "is damaged", "rows are missing", "has ended:", "never retrieved")
"""What a server that was only killed never says."""

Row = tuple[str, int, int]
"""Writer, number, try."""


def shown(what: str, things: Iterable[Any]) -> Iterator[str]:
    """Say what differs, if anything does; not all of it."""
    known = sorted(things)
    if known:
        yield f"{what}: {len(known)}, the first: {known[:MOST_SHOWN]}"


def rows_in(asking: Client, table: str) -> list[Row]:
    """Return the rows of a table but for the last one."""
    sql = f"SELECT writer, number, try FROM {table} WHERE writer <> '{LAST_WRITER}'"
    return [(row["writer"], row["number"], row["try"]) for row in asking.rows(sql)]


def stored_differences(asking: Client, table: str, acknowledged: Mapping[Key, int]) -> Iterator[str]:
    """Compare a table that was written to with what was acknowledged, after all writers have ended."""
    stored = rows_in(asking, table)
    yield from shown(f"{table}: acknowledged and not stored", acknowledged.keys() - {row[:2] for row in stored})
    yield from shown(f"{table}: stored and never written", {row[:2] for row in stored} - acknowledged.keys())
    yield from shown(f"{table}: stored twice", [row for row, n in Counter(r[:2] for r in stored).items() if n > 1])
    old = [(*row, acknowledged[row[:2]]) for row in stored if row[2] != acknowledged.get(row[:2], row[2])]
    yield from shown(f"{table}: stored as an earlier try wrote it (writer, number, stored, acknowledged)", old)


def effect_differences(asking: Client, table: str, acknowledged: Mapping[Key, int]) -> Iterator[str]:
    """Compare the effects of a trigger with the rows that it had to process."""
    yield from count_differences(table, Counter(rows_in(asking, table)), acknowledged)


def count_differences(table: str, effects: Counter[Row], acknowledged: Mapping[Key, int]) -> Iterator[str]:
    """Each acknowledged try once, tries before it once at most, nothing else."""
    yield from shown(f"not in {table}", {(*row, t) for row, t in acknowledged.items()} - effects.keys())
    yield from shown(f"more than once in {table}", {row: n for row, n in effects.items() if n > 1}.items())
    foreign = [row for row in effects if row[2] > acknowledged.get(row[:2], -1)]
    yield from shown(f"in {table} and never written", foreign)


def counter_differences(asking: Client, table: str) -> Iterator[str]:
    """Compare the trigger's counter, which its state holds, with the effects that it counted."""
    found = asking.rows(f"SELECT count(*) AS n, max(counted) AS high, count(DISTINCT counted) AS d FROM {table}")
    for row in found:
        if row["n"] and not row["n"] == row["high"] == row["d"]:
            following = f"SELECT counted, lead(counted) OVER (ORDER BY counted) AS next FROM {table}"
            steps = asking.rows(f"SELECT counted, next FROM ({following}) WHERE next <> counted + 1 LIMIT {MOST_SHOWN}")
            what = f"{row['n']} effects, {row['d']} numbers up to {row['high']}, no next one behind {steps}"
            yield f"{table}: the counter has a gap or a repeat: {what}"


def order_differences(asking: Client, table: str, *, has_label: bool) -> Iterator[str]:
    """Effects of a synchronous trigger are in the order of the log, and its arguments change once."""
    last: dict[str, int] = {}
    label = 0
    for row in asking.rows(f"SELECT writer, number, try, label, counted FROM {table} ORDER BY counted"):
        if row["try"] == 0:  # what was written again comes again, later
            if row["number"] < last.get(row["writer"], 0):
                yield f"{table}: processed out of order: {row} after number {last[row['writer']]}"
            last[row["writer"]] = row["number"]
        if has_label and row["label"] < label:
            yield f"{table}: processed with arguments that were replaced before: {row} after label {label}"
        label = row["label"]


def acknowledged_so_far(asking: Client, table: str, writer: str, count: int) -> Iterator[str]:
    """Look whether the first ``count`` rows of a writer, all acknowledged, are there."""
    sql = f"SELECT count(DISTINCT number) AS n FROM {table} WHERE writer = '{writer}' AND number < {count}"
    found = next(iter(asking.rows(sql)), {"n": 0})["n"]
    if found != count:
        yield f"{table}: of the first {count} rows of {writer}, all acknowledged, {found} are there"


def request_differences(asking: Client, askers: Iterable[Asker], *, above: int = 0) -> Iterator[str]:
    """Compare the effects of requests with their answers; those only that were counted ``above`` a number."""
    promised = [(dict(asker.answered), dict(asker.refused)) for asker in askers]
    rows = asking.rows(f"SELECT name, counted FROM ordered WHERE counted > {above}")
    stored = {row["name"]: row["counted"] for row in rows}
    doubled = [name for name, n in Counter(row["name"] for row in rows).items() if n > 1]
    yield from shown("requests with two effects", doubled)
    for answered, refused in promised:
        off = [(name, n, stored.get(name)) for name, n in answered.items() if n > above and stored.get(name) != n]
        yield from shown("answered requests (name, counted, stored)", map(str, off))
        yield from shown("refused requests with an effect", [r for r in refused.items() if r[0] in stored])


def schedule_differences(asking: Client) -> Iterator[str]:
    """Compare due times with runs: each that began has one effect; none is left out where all are caught up."""
    begun = {row["call"] for row in asking.rows("SELECT call FROM begun")}
    calls = Counter(row["call"] for row in asking.rows("SELECT call FROM ticks"))
    if begun:
        last = max(begun)  # this one may be under way
        yield from shown("call times that began and have no effect", begun - calls.keys() - {last})
    yield from shown("a call time more than once", [call for call, n in calls.items() if n > 1])
    clocked = [(row["call"], row["counted"]) for row in asking.rows("SELECT call, counted FROM clocked ORDER BY call")]
    if clocked:
        first = clocked[0][0]
        expected = [(first + i, i + 1) for i in range(len(clocked))]
        wrong = [f"{was} should be {wanted}" for was, wanted in zip(clocked, expected, strict=True) if was != wanted]
        yield from shown("due times that are caught up (call, counted)", wrong[:1])


def stock_differences(asking: Client, stock: Stock) -> Iterator[str]:
    """Each row once as it came, and once more in every backfill that began after it."""
    backfills = stock.backfills()
    bad = [str(b) for b in backfills if b["state"] != "done" or b["rows_done"] != b["rows_total"]]
    yield from shown("backfills that did not end well", bad)
    effects = Counter(rows_in(asking, "stocked"))
    wrong = []
    for (writer, number), attempt in stock.rows.acknowledged.items():
        again = sum(1 for b in backfills if b["rows_total"] > number)
        wanted = again + (number >= stock.earlier)
        if effects[writer, number, attempt] != wanted:
            wrong.append((number, attempt, effects[writer, number, attempt], wanted))
    yield from shown("stocked (number, try, effects, wanted)", wrong)
    earlier = [row for row, n in effects.items() if row[2] < stock.rows.acknowledged.get(row[:2], -1) and n > 1]
    yield from shown("earlier tries more than once in stocked", earlier)


def guest_differences(asking: Client, guests: Guests) -> Iterator[str]:
    """What was written while a trigger was on was processed once, what was written while it was off never."""
    for visit in range(guests.visits):
        name = f"guest_{visit}"
        effects = Counter(rows_in(asking, f"of_{name}"))
        mine = {key: t for key, t in guests.wanted.items() if key[0].rpartition("-")[0] == name}
        yield from count_differences(f"of_{name}", Counter({r: n for r, n in effects.items() if r[:2] in mine}), mine)
        yield from shown(f"unwanted in of_{name}", [row for row in effects if row[:2] in guests.unwanted])


def letter_differences(
    asking: Client, letters: Iterable[dict[str, Any]], acknowledged: Mapping[Key, int], mended: int
) -> Iterator[str]:
    """Each row has one effect or is in one open letter; poisonous ones have none before they are mended."""
    effects = Counter(rows_in(asking, "evened"))
    kept: Counter[Row] = Counter()
    for letter in letters:
        kept.update((row["writer"], row["number"], row["try"]) for row in json.loads(letter["input"])["rows"])
        is_known = any(word in letter["error"] for word in ("poisonous", "transient", "plugin host"))
        if not is_known or not (any(map(is_poisonous, numbers_of(letter))) or "poisonous" not in letter["error"]):
            yield f"a letter that nobody expects: {letter}"
    yield from count_differences("evened or letters", effects + kept, acknowledged)
    yield from shown("poisonous and processed", [row for row in effects if is_poisonous(row[1]) and row[1] >= mended])
    missing = {row for row in acknowledged if is_poisonous(row[1]) and row[1] >= mended} - {row[:2] for row in kept}
    yield from shown("poisonous and in no letter", missing)


def outcomes(asking: Client, *, but: str) -> Iterator[str]:
    """What plugins themselves did wrong, or what was given up, of all triggers ``but`` one."""
    sql = (
        "SELECT trigger_name, outcome, error FROM system.processing_engine_runs "
        f"WHERE outcome NOT IN ('success', 'crash', 'cancelled') AND trigger_name <> '{but}'"
    )
    yield from shown("runs failed", map(str, asking.rows(sql)))
    letters = asking.rows("SELECT trigger_name, error FROM system.processing_engine_dead_letters")
    yield from shown("given up", [str(row) for row in letters if row["trigger_name"] != but])


def alarms(log: Path) -> Iterator[str]:
    """Return what the servers' own log says of things that must not happen."""
    lines = log.read_text().splitlines()
    yield from shown("the server's log", [line for line in lines if any(alarm in line for alarm in ALARMS)])
