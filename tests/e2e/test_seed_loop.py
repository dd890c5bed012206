"""The seed's plugin for data writes, under ``all_tables``: it is triggered by its own writes for ever."""

import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.live import Client
from tests.support.seeds import kept_blocks
from tests.support.serving import serving

pytestmark = pytest.mark.process

WATCHED_S = 4.0
MOST_ROWS_PER_S = 2


def test_a_plugin_that_feeds_itself_turns_once_a_second_and_says_so_once(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (example,) = [b.text for b in kept_blocks() if "def process_writes" in b.text and "processed_data" in b.text]
    (plugins / "example.py").write_text(example)
    with (
        serving(tmp_path, "--without-auth", "--plugin-dir", str(plugins)) as running,
        closing(Client(running.url, "home")) as client,
    ):
        assert client.write("other n=1i 1")
        client.create_trigger("all", "all_tables", "example.py")
        began_s = time.monotonic()
        assert client.write("input n=1i 1")
        client.rows_when("SELECT * FROM processed_data", bool)
        threading.Event().wait(WATCHED_S)  # how much comes in a time is the question
        written = len(client.rows("SELECT * FROM processed_data"))
        passed_s = time.monotonic() - began_s
        # The first row answers the input, each further one the row before it.
        assert 3 <= written <= 1 + MOST_ROWS_PER_S * passed_s
        (warning,) = client.rows("SELECT log_text FROM system.processing_engine_logs WHERE log_level = 'WARN'")
        assert "trigger all is triggered by its own writes" in warning["log_text"]
