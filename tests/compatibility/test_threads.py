"""Plugins with threads of their own, within a run and beyond it."""

import pytest

from tests.support.engines import eventually
from tests.support.scene import REQUESTS, Scene


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        pytest.param('influxdb3_local.info("from a thread", n)', [None] * 3, id="log"),
        pytest.param('influxdb3_local.query("SELECT 1 AS one")', [[{"one": 1}]] * 3, id="query"),
        pytest.param(
            'influxdb3_local.write(LineBuilder("out").int64_field("v", n).time_ns(n))', [None] * 3, id="write"
        ),
        pytest.param(
            'influxdb3_local.write_sync(LineBuilder("out").int64_field("v", n).time_ns(n), no_sync=True)',
            [None] * 3,
            id="write-now",
        ),
        pytest.param("influxdb3_local.cache.put(str(n), n)", [None] * 3, id="cache"),
    ],
)
def test_pool_of_threads_uses_the_database(scene: Scene, call: str, answer: list[object]) -> None:
    body = f"""
        def work(n):
            return {call}
        with ThreadPoolExecutor(max_workers=3) as pool:
            futures = {{pool.submit(work, n): n for n in range(3)}}
            return [future.result() for future in as_completed(futures)]
    """
    assert scene.told(body, top="from concurrent.futures import ThreadPoolExecutor, as_completed\n") == answer
    if "LineBuilder" in call:
        assert len(scene.rows_when("SELECT v FROM out", 3)) == 3


def test_thread_that_goes_on_after_the_run_may_log_and_fill_a_queue(scene: Scene) -> None:
    """A subscriber's thread takes messages between the runs, with the object of the run that began it."""
    code = f"""
import queue
import threading

class Subscriber:
    def __init__(self, local):
        self.local = local
        self.messages = queue.Queue()
        self.go_on = threading.Event()
        self.taken = threading.Event()
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        self.go_on.wait()
        self.local.info("message after the run")
        self.messages.put("one")
        self.taken.set()

{REQUESTS}
    subscriber = influxdb3_local.cache.get("subscriber")
    if subscriber is None:
        influxdb3_local.cache.put("subscriber", Subscriber(influxdb3_local))
        return "subscribed"
    subscriber.go_on.set()
    subscriber.taken.wait(10)
    messages = []
    while not subscriber.messages.empty():
        messages.append(subscriber.messages.get_nowait())
    for number, message in enumerate(messages):
        influxdb3_local.write(LineBuilder("messages").string_field("text", message).time_ns(number))
    return f"{{len(messages)}} messages"
"""
    target = scene.endpoint(code)
    assert [scene.web.post(target).text for _ in range(3)] == ["subscribed", "1 messages", "0 messages"]
    assert scene.rows_when("SELECT text FROM messages") == [{"text": "one"}]
    assert scene.logged(1) == ["INFO message after the run"]


def test_program_is_run(scene: Scene) -> None:
    body = """
        done = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
        print("to the server's own output")
        return {"out": done.stdout.strip()}
    """
    assert scene.told(body, top="import subprocess, sys\n") == {"out": "42"}


def test_pause_between_attempts(scene: Scene) -> None:
    body = """
        delays = []
        for attempt in range(3):
            try:
                raise OSError("not now")
            except Exception:
                delay = 2**attempt * 0.001 + random.uniform(0, 0.001)
                time.sleep(delay)
                delays.append(delay)
        return [len(delays)]
    """
    assert scene.told(body, top="import random, time\n") == [3]


def test_times_are_utc(scene: Scene) -> None:
    """Both ways to read the naive time of a call, and the process's own clock."""
    code = """
from datetime import datetime, timedelta, timezone

def process_scheduled_call(influxdb3_local, call_time, args=None):
    kept = call_time.replace(tzinfo=timezone.utc)
    turned = call_time.astimezone(timezone.utc)
    near = abs(datetime.now(timezone.utc) - kept) < timedelta(minutes=5)
    influxdb3_local.info(kept == turned, kept.timestamp() == call_time.timestamp(), call_time.tzinfo, near)
"""
    scene.trigger("every:1s", code)
    seen = eventually(scene.own_lines)
    scene.delete()
    assert seen[0].startswith("INFO True True None True"), seen
