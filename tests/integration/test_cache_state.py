"""What plugins keep: shown, deleted, restored as their triggers say, within its limit."""

from pathlib import Path
from typing import Any

import pytest

from engine.errors import NotFound
from engine.model.trigger import Restore
from engine.runtime import Engine
from tests.support.engines import create_trigger, eventually, open_engine, query, request

COUNTS = """
import threading


def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    cache = influxdb3_local.cache
    if request_body == b"lock":
        cache.put("lock", threading.Lock())
    if request_body == b"large":
        for number in range(20):
            cache.put(f"large{number}", "x" * 1_000_000)
    cache.put("count", cache.get("count", 0) + 1)
    cache.put("shared", cache.get("shared", 0, use_global=True) + 1, use_global=True)
    return {"count": cache.get("count"), "shared": cache.get("shared", use_global=True)}
"""
STATE = "SELECT trigger_name, scope, key, is_kept FROM system.processing_engine_cache_state ORDER BY scope DESC, key"


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "counts.py").write_text(COUNTS)
    return folder


def opened(tmp_path: Path, plugins: Path, **settings: Any) -> Any:
    return open_engine(tmp_path, plugin_dir=plugins, **settings)


def asked(engine: Engine, body: bytes = b"") -> str:
    return request(engine, "count", body).body.decode()


def create(engine: Engine, **options: Any) -> None:
    create_trigger(engine, "foo", "t", "request:count", "counts.py", **options)


def test_state_is_shown_with_what_cannot_survive_a_restart(tmp_path: Path, plugins: Path) -> None:
    with opened(tmp_path, plugins) as engine:
        create(engine)
        asked(engine, b"lock")
        assert query(engine, "foo", STATE) == [
            {"trigger_name": "t", "scope": "trigger", "key": "count", "is_kept": True},
            {"trigger_name": "t", "scope": "trigger", "key": "lock", "is_kept": False},
            {"scope": "global", "key": "shared", "is_kept": True},
        ]


def test_state_is_deleted_for_the_next_run_and_for_good(tmp_path: Path, plugins: Path) -> None:
    with opened(tmp_path, plugins) as engine:
        create(engine)
        asked(engine)
        assert asked(engine) == '{"count": 2, "shared": 2}'
        engine.delete_cache_state("foo", "t", None)
        assert query(engine, "foo", STATE) == [{"scope": "global", "key": "shared", "is_kept": True}]
        assert asked(engine) == '{"count": 1, "shared": 3}'
        engine.delete_cache_state("foo", None, "shared")
        engine.delete_cache_state("foo", "t", "count")
    with opened(tmp_path, plugins) as engine:
        assert query(engine, "foo", STATE) == []
        assert asked(engine) == '{"count": 1, "shared": 1}'


def test_a_live_object_is_deleted_too(tmp_path: Path, plugins: Path) -> None:
    with opened(tmp_path, plugins) as engine:
        create(engine)
        asked(engine, b"lock")
        engine.delete_cache_state("foo", "t", None)
        asked(engine)
        assert [row["key"] for row in query(engine, "foo", STATE)] == ["count", "shared"]


def test_deleting_what_is_not_there_says_so(tmp_path: Path, plugins: Path) -> None:
    with opened(tmp_path, plugins) as engine:
        create(engine)
        engine.delete_cache_state("foo", "t", None)
        with pytest.raises(NotFound, match="the cache of trigger t holds nothing under 'x'"):
            engine.delete_cache_state("foo", "t", "x")
        with pytest.raises(NotFound, match="not found: u"):
            engine.delete_cache_state("foo", "u", None)


@pytest.mark.parametrize(
    ("restore", "second"),
    [
        pytest.param(None, '{"count": 1, "shared": 2}', id="whole, and there was a lock"),
        pytest.param(Restore.VALUES, '{"count": 2, "shared": 2}', id="values"),
        pytest.param(Restore.NEVER, '{"count": 1, "shared": 2}', id="never"),
    ],
)
def test_what_comes_back_after_a_restart_is_the_choice_of_the_trigger(
    tmp_path: Path, plugins: Path, restore: Restore | None, second: str
) -> None:  # B8.12
    with opened(tmp_path, plugins) as engine:
        create(engine, restore=restore)
        asked(engine, b"lock")
    with opened(tmp_path, plugins) as engine:
        assert asked(engine) == second


def test_a_cache_within_its_limit_tells_what_had_to_go(tmp_path: Path, plugins: Path) -> None:
    logs = "SELECT log_text FROM system.processing_engine_logs WHERE log_level = 'WARN'"
    with opened(tmp_path, plugins, plugin_cache_size_bytes=8 << 20) as engine:
        create(engine)
        asked(engine, b"large")
        kept = query(engine, "foo", "SELECT sum(size_bytes) AS n FROM system.processing_engine_cache_state")[0]["n"]
        assert 7 << 20 < kept <= 8 << 20
        (told,) = eventually(lambda: query(engine, "foo", logs))
        assert "passed its limit of 8388608 bytes (--plugin-cache-size): 12 values" in told["log_text"]
