"""Rows that a real plugin in a real host cannot take: it raises, ends its process, or never comes back."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from engine.model.trigger import TriggerLimits
from tests.support.engines import create_trigger, open_engine, query, rows_when, write

pytestmark = pytest.mark.process

PLUGIN = """
    import os, time

    def process_writes(influxdb3_local, table_batches, args=None):
        total = influxdb3_local.cache.get("total", 0)
        for batch in table_batches:
            for row in batch["rows"]:
                if row["v"] < 0:
                    {harm}
                total += row["v"]
                influxdb3_local.cache.put("total", total)
                line = LineBuilder("out").int64_field("v", row["v"]).int64_field("total", total).time_ns(row["time"])
                influxdb3_local.write(line)
"""
HARMS = {
    "raises": "raise ValueError(row['v'])",
    "exits": "os._exit(7)",
    "hangs": "while True: pass",
}
LETTERS = "SELECT rows, attempts, error, input FROM system.processing_engine_dead_letters"


def plugin_dir(tmp_path: Path, harm: str) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "p.py").write_text(textwrap.dedent(PLUGIN).format(harm=harm))
    return folder


@pytest.mark.parametrize("harm", HARMS)
def test_one_poisonous_row_is_found_and_the_state_of_all_others_is_exact(tmp_path: Path, harm: str) -> None:
    settings: dict[str, Any] = {"plugin_dir": plugin_dir(tmp_path, HARMS[harm]), "plugin_isolation": "shared"}
    rows = 1000 if harm == "raises" else 4
    with open_engine(tmp_path, **settings) as engine:
        timeout: dict[str, Any] = {"limits": TriggerLimits(timeout_s=0.1)} if harm == "hangs" else {}
        create_trigger(engine, "db", "t", "table:a", "p.py", error_behavior="retry", **timeout)
        write(engine, "db", "\n".join(f"a v={-n if n == 1 else n}i {n}" for n in range(rows)))
        (letter,) = rows_when(engine, "db", LETTERS)
        assert [row["v"] for row in json.loads(letter["input"])["rows"]] == [-1]
        found = query(engine, "db", "SELECT v, total FROM out ORDER BY time")
        good = [n for n in range(rows) if n != 1]
        assert [row["v"] for row in found] == good
        assert [row["total"] for row in found] == [sum(good[: i + 1]) for i in range(len(good))]
        write(engine, "db", "a v=5i 5000")
        (after,) = rows_when(
            engine, "db", "SELECT total FROM out WHERE time = arrow_cast(5000, 'Timestamp(Nanosecond, None)')"
        )
        assert after["total"] == sum(good) + 5
