"""What plugins keep between runs: values of every kind, and objects that live."""

import textwrap
from typing import Any

import pytest

from tests.support.scene import REQUESTS, Scene, indented


def answers(scene: Scene, body: str, times: int, top: str = "") -> list[Any]:
    """Return what ``times`` runs of one trigger answer."""
    code = textwrap.dedent(top) + REQUESTS + indented(textwrap.dedent(body))
    target = scene.endpoint(code)
    told = [scene.web.post(target) for _ in range(times)]
    assert [answer.status_code for answer in told] == [200] * times, [answer.text for answer in told]
    return [answer.json() for answer in told]


def close(scene: Scene, key: str) -> None:
    """Close what that trigger keeps as ``key``, by another version of its plugin."""
    body = f"kept = influxdb3_local.cache.get({key!r})\nif hasattr(kept, 'close'):\n    kept.close()\nreturn {{}}"
    scene.plugin(REQUESTS + indented(body), "r.py")
    assert scene.web.post(f"/api/v3/engine/{scene.database}/r").json() == {}


def test_first_run_is_known_by_a_missing_key(scene: Scene) -> None:
    body = """
        last = influxdb3_local.cache.get("last_time")
        influxdb3_local.cache.put("last_time", 7, ttl=None)
        return [last]
    """
    assert answers(scene, body, 3) == [[None], [7], [7]]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param('state["count"] += 1', id="in-place"),
        pytest.param('state["count"] += 1\ninfluxdb3_local.cache.put("state", state)', id="put-again"),
        pytest.param('influxdb3_local.cache.put("state", {"count": state["count"] + 1}, 3600)', id="put-anew-with-ttl"),
    ],
)
def test_state_is_counted_on(scene: Scene, change: str) -> None:
    body = f"""
state = influxdb3_local.cache.get("state")
if state is None:
    state = {{"count": 0}}
    influxdb3_local.cache.put("state", state)
{change}
return [state["count"], influxdb3_local.cache.get("state")["count"]]
"""
    told = answers(scene, body, 3)
    assert [counts[1] for counts in told] == [1, 2, 3]


def test_list_is_cached_and_an_empty_one_is_asked_for_again(scene: Scene) -> None:
    """Names of tables are kept for an hour, unless there are none."""
    body = """
        cache = influxdb3_local.cache
        value = cache.get("shared:tables")
        if value is not None:
            return ["kept", value]
        value = [row["table_name"] for row in influxdb3_local.query("SHOW TABLES") if row["table_schema"] == "iox"]
        if value:
            cache.put("shared:tables", value, 3600)
        return ["asked", value]
    """
    target = scene.endpoint(REQUESTS + indented(textwrap.dedent(body)))
    assert scene.web.post(target).json() == ["asked", []]
    scene.write("home v=1 1")
    assert [scene.web.post(target).json() for _ in range(2)] == [["asked", ["home"]], ["kept", ["home"]]]


LIVE = {
    "lock": ("import threading", "threading.Lock()", "kept.acquire(False) and kept.release() is None"),
    "deque": ("from collections import deque", "deque(maxlen=2)", "kept.append(1) or kept.maxlen == 2"),
    "queue": ("import queue", "queue.Queue()", "kept.empty()"),
    "set": ("", "set()", "kept.add(1) is None"),
    "instance": ("class Stats:\n    count = 0\n", "Stats()", "kept.count == 0"),
    "function": ("", "lambda: 1", "kept() == 1"),
    "pattern": ("import re", 're.compile("a+")', 'bool(kept.match("aa"))'),
    "event-loop": ("import asyncio", "asyncio.new_event_loop()", "not kept.is_closed() and not kept.is_running()"),
    "executor": (
        "from concurrent.futures import ThreadPoolExecutor",
        "ThreadPoolExecutor(1)",
        "kept.submit(int, '3').result() == 3",
    ),
    "socket": ("import socket", "socket.socket()", "kept.fileno() > 0"),
}


@pytest.mark.parametrize("way", LIVE)
def test_very_object_comes_back(scene: Scene, way: str) -> None:
    top, made, works = LIVE[way]
    body = f"""
kept = influxdb3_local.cache.get("live")
if kept is None:
    kept = {made}
    influxdb3_local.cache.put("live", kept)
    influxdb3_local.cache.put("id", str(id(kept)))
return [str(id(kept)) == influxdb3_local.cache.get("id"), bool({works})]
"""
    assert answers(scene, body, 2, top + "\n") == [[True, True]] * 2
    close(scene, "live")


def test_event_loop_is_used_again(scene: Scene) -> None:
    """A client of asyncio lives as long as its loop, over many runs."""
    body = """
        loop = influxdb3_local.cache.get("loop")
        if loop is None or loop.is_closed():
            loop = asyncio.new_event_loop()
            influxdb3_local.cache.put("loop", loop)
            influxdb3_local.cache.put("client", Client(influxdb3_local))
        return loop.run_until_complete(read(influxdb3_local.cache.get("client")))
    """
    top = """
        import asyncio

        class Client:
            def __init__(self, local):
                self.local = local
                self.queue = asyncio.Queue()

        async def read(client):
            await client.queue.put(1)
            await asyncio.sleep(0)
            client.local.info("read by the object of the first run")
            return [client.queue.qsize()]
    """
    assert answers(scene, body, 3, top) == [[1], [2], [3]]
    assert scene.logged(3) == ["INFO read by the object of the first run"] * 3
    close(scene, "loop")


def test_loop_of_a_run_ends_with_it(scene: Scene) -> None:
    body = """
        async def post(number):
            await asyncio.sleep(0)
            return number
        async def all_posts():
            return await asyncio.gather(*(post(number) for number in range(3)))
        return asyncio.run(all_posts())
    """
    assert answers(scene, body, 2, "import asyncio\n") == [[0, 1, 2]] * 2


def test_class_made_anew_in_each_run_still_knows_its_object(scene: Scene) -> None:
    """The file is run each time, so the class of what was kept is that of another run; it works on."""
    body = """
        manager = influxdb3_local.cache.get("manager")
        if manager is None:
            manager = Manager()
            influxdb3_local.cache.put("manager", manager)
        manager.rebind(influxdb3_local)
        return [manager.calls, type(manager).__name__]
    """
    top = """
        class Manager:
            calls = 0
            def rebind(self, local):
                self.local = local
                self.calls += 1
    """
    assert answers(scene, body, 2, top) == [[1, "Manager"], [2, "Manager"]]


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ('cache.get("no")', [None]),
        ('cache.get("no", default={})', [{}]),
        ('cache.get("no", 0)', [0]),
        ('cache.get(key="no", default=[])', [[]]),
        ('cache.delete("no")', [False]),
        ('cache.put("a", "1") or cache.delete("a")', [True]),
        ('cache.put("a", 1, ttl=60) or cache.get("a")', [1]),
        ('cache.put("a", 1, 60.5) or cache.get("a")', [1]),
        ('cache.put("a", 1, ttl=None) or cache.get("a")', [1]),
        ('cache.put("a", 1, None) or cache.get("a")', [1]),
        ('cache.put("a", None) or cache.get("a", "default")', [None]),
        ('cache.put("a", "", use_global=False) or cache.get("a", use_global=False)', [""]),
        ('cache.put("m:f:1:count:room=Kitchen", "0") or int(cache.get("m:f:1:count:room=Kitchen", default=0))', [0]),
        ('cache.get("m:count") or 0', [0]),
    ],
)
def test_cache_is_called(scene: Scene, expression: str, values: list[Any]) -> None:
    assert scene.told(f"cache = influxdb3_local.cache\nreturn [{expression}]") == values


def test_value_that_has_timed_out_is_gone(scene: Scene) -> None:
    body = """
        cache = influxdb3_local.cache
        cache.put("soon", 1, ttl=0.01)
        time.sleep(0.02)
        return [cache.get("soon"), cache.get("soon", default="again")]
    """
    assert answers(scene, body, 1, "import time\n") == [[None, "again"]]


def test_model_is_kept_in_a_table_and_read_again(scene: Scene) -> None:
    """What shall outlive a restart is pickled, compressed and written as text, in pieces."""
    top = """
        import base64, pickle, time, zlib
        MODEL = {"weights": list(range(2000)), "name": "m"}
        KEY = "cpu:host=a b:load"
    """
    keep = """
        text = base64.b64encode(zlib.compress(pickle.dumps(MODEL))).decode("ascii")
        parts = [text[at : at + 1000] for at in range(0, len(text), 1000)]
        for number, part in enumerate(parts):
            line = LineBuilder("_system.model_checkpoints").tag("series_key", KEY).string_field("model_data", part)
            line.tag("chunk_index", str(number)).tag("chunk_total", str(len(parts))).time_ns(time.time_ns())
            influxdb3_local.write_sync(line, no_sync=True)
        return [len(parts)]
    """
    restore = """
        rows = influxdb3_local.query(
            'SELECT time, series_key, model_data, chunk_index FROM "_system.model_checkpoints" '
            "WHERE time > now() - interval '24 hours' ORDER BY time DESC"
        )
        pieces = {int(row["chunk_index"]): row["model_data"] for row in rows if row["series_key"] == KEY}
        found = pickle.loads(zlib.decompress(base64.b64decode("".join(pieces[at] for at in range(len(pieces))))))
        return [found == MODEL]
    """
    (parts,) = scene.told(textwrap.dedent(keep), top=top)
    assert parts > 1
    assert len(scene.rows_when('SELECT model_data FROM "_system.model_checkpoints"', parts)) == parts
    assert scene.told(textwrap.dedent(restore), top=top) == [True]
