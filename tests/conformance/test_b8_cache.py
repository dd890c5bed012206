"""Checklist B8: what a plugin finds in its cache."""

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.checklist import row
from tests.support.engines import eventually
from tests.support.scene import CALLS, QUICK, REQUESTS, WRITES, Scene, Timed, indented
from tests.support.web import Web, web

EXECUTORS = [
    pytest.param("embedded", id="B8.12 embedded A: cache over restarts"),
    pytest.param("shared", id="B8.12 host A: cache over restarts", marks=pytest.mark.process),
]


@row("B8.1")
def test_what_was_put_is_got(scene: Scene) -> None:
    body = "cache = influxdb3_local.cache\nreturn [cache.put('k', 'text'), cache.get('k'), cache.get('x'), cache.get('x', 7)]"
    assert scene.told(body) == [None, "text", None, 7]


@row("B8.2")
def test_a_value_is_there_for_its_time_to_live(timed: Timed) -> None:
    code = (
        REQUESTS
        + """
    cache = influxdb3_local.cache
    if request_body:
        cache.put("brief", 1, 1.0)
        cache.put("by name", 2, ttl=1)
        cache.put("kept", 3)
    return [cache.get("brief"), cache.get("by name"), cache.get("kept")]
    """
    )
    target = timed.endpoint(code)
    assert timed.web.post(target, content=b"put").json() == [1, 2, 3]
    timed.advance(0.9)
    assert timed.web.post(target).json() == [1, 2, 3]
    timed.advance(0.6)
    assert timed.web.post(target).json() == [None, None, 3]


@row("B8.3")
def test_the_two_namespaces_do_not_mix(scene: Scene) -> None:
    body = """
    cache, key = influxdb3_local.cache, args["db"]
    cache.put(key, "own")
    cache.put(key, "global", use_global=True)
    cache.put(key, "own again", None, False)
    return [cache.get(key), cache.get(key, None, True), cache.get(key, use_global=False)]
    """
    told = scene.told(body, trigger_arguments={"db": scene.database})
    assert told == ["own again", "global", "own again"]


@row("B8.4")
def test_a_structure_and_a_lock_come_back_as_they_are(scene: Scene) -> None:
    code = (
        REQUESTS
        + """
    import threading
    cache = influxdb3_local.cache
    if request_body:
        value = {"a": [1, {"b": (2, 3)}], "c": {"d": None}}
        cache.put("value", value)
        cache.put("lock", threading.Lock())
        cache.put("ids", [id(value), id(cache.get("lock"))])
        cache.get("lock").acquire()
        return []
    value, lock = cache.get("value"), cache.get("lock")
    return [repr(value), lock.locked(), cache.get("ids") == [id(value), id(lock)]]
    """
    )
    target = scene.endpoint(code)
    assert scene.web.post(target, content=b"put").json() == []
    assert scene.web.post(target).json() == ["{'a': [1, {'b': (2, 3)}], 'c': {'d': None}}", True, True]


@row("B8.5")
def test_delete_tells_whether_it_was_there(scene: Scene) -> None:
    body = """
    cache = influxdb3_local.cache
    cache.put("k", 1)
    return [cache.delete("k"), cache.delete("k"), cache.get("k"), cache.delete("never")]
    """
    assert scene.told(body) == [True, False, None, False]


COUNTS = """
    count = influxdb3_local.cache.get("count")
    if count is None:
        influxdb3_local.info("First run, initializing count")
        count = 0
    else:
        influxdb3_local.info(f"Previous count: {count}")
"""
COUNT_ROWS = (
    WRITES
    + COUNTS
    + """
    count += sum(len(batch["rows"]) for batch in table_batches)
    influxdb3_local.cache.put("count", count)
    influxdb3_local.info(f"Updated count: {count}")
"""
)
COUNT_CALLS = CALLS + COUNTS


def dry_run(scene: Scene, kind: str, **body: Any) -> list[str]:
    """Return what a dry run logged between the lines that frame it."""
    answer = scene.web.post(f"/api/v3/plugin_test/{kind}", json={"database": scene.database} | body)
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["errors"] == []
    lines: list[str] = shown["log_lines"]
    return lines[1:-1]


@row("B8.6")
def test_dry_runs_of_one_cache_name_share_it(scene: Scene) -> None:
    plugin = scene.plugin(COUNT_ROWS + COUNT_CALLS)
    mine, other = f"{scene.database}_mine", f"{scene.database}_other"
    rows = {"filename": plugin, "input_lp": "m v=1 1"}
    assert dry_run(scene, "wal", cache_name=mine, **rows)[0] == "INFO: First run, initializing count"
    assert dry_run(scene, "wal", cache_name=mine, **rows)[0] == "INFO: Previous count: 1"
    assert dry_run(scene, "schedule", cache_name=mine, filename=plugin) == ["INFO: Previous count: 2"]
    assert dry_run(scene, "schedule", cache_name=other, filename=plugin) == ["INFO: First run, initializing count"]


@row("B8.6")
def test_dry_runs_without_a_name_share_one_too_and_triggers_do_not_see_it(scene: Scene) -> None:
    body = """
        cache = influxdb3_local.cache
        influxdb3_local.info(cache.get(args["key"]), cache.get(args["key"], use_global=True))
        cache.put(args["key"], "own")
        cache.put(args["key"], "global", use_global=True)
    """
    body = indented(body)
    plugin = scene.plugin(CALLS + body + REQUESTS + body + "    return []\n")
    arguments = {"key": scene.database}
    for seen in ("None None", "own global"):
        assert dry_run(scene, "schedule", filename=plugin, input_arguments=arguments) == [f"INFO: {seen}"]
    default = {"filename": plugin, "input_arguments": arguments, "cache_name": "_shared_test"}
    assert dry_run(scene, "schedule", **default) == ["INFO: own global"]
    scene.trigger_of(f"request:{scene.database}", plugin, trigger_arguments=arguments)
    scene.web.post(f"/api/v3/engine/{scene.database}")
    assert scene.logged(1) == ["INFO None None"]


@row("B8.7")
def test_a_counter_goes_on_over_dry_runs(scene: Scene) -> None:
    rows = {"filename": scene.plugin(COUNT_ROWS), "cache_name": scene.database}
    assert dry_run(scene, "wal", input_lp="a v=1 1\na v=2 2\nb v=3 3", **rows) == [
        "INFO: First run, initializing count",
        "INFO: Updated count: 3",
    ]
    assert dry_run(scene, "wal", input_lp="a v=1 1\nb v=3 3", **rows) == [
        "INFO: Previous count: 3",
        "INFO: Updated count: 5",
    ]


@row("B8.8")
def test_a_trigger_that_was_switched_off_starts_with_an_empty_cache(scene: Scene) -> None:
    code = (
        WRITES
        + """
    if influxdb3_local.cache.get("seen") is None:
        influxdb3_local.cache.put("seen", True)
        influxdb3_local.write(LineBuilder("first").int64_field("v", 1))
    influxdb3_local.info("run")
    """
    )
    scene.trigger("table:a", code)
    for value in (1, 2):
        scene.write(f"a v={value}")
        scene.logged(value)
    assert len(scene.rows("SELECT * FROM first")) == 1
    scene.switch("disable")
    scene.switch("enable")
    scene.write("a v=3")
    scene.rows_when("SELECT * FROM first", 2)


KEEP = (
    REQUESTS
    + """
    class Kept:
        def __init__(self, path):
            self.path = path
        def __del__(self):
            open(self.path, "w").close()

    cache = influxdb3_local.cache
    if request_body:
        cache.put("kept", Kept(args["folder"] + "/own"))
        cache.put(args["db"], "still here", use_global=True)
    return [cache.get("kept") is not None, cache.get(args["db"], use_global=True)]
"""
)


@row("B8.9")
def test_a_deleted_database_takes_the_caches_of_its_triggers_along(scene: Scene, tmp_path: Path) -> None:
    doomed = Scene(scene.web)
    arguments = {"folder": str(tmp_path), "db": scene.database}
    target = doomed.endpoint(KEEP, trigger_arguments=arguments)
    assert doomed.web.post(target, content=b"put").json() == [True, "still here"]
    assert list(tmp_path.iterdir()) == []
    doomed.close()
    eventually((tmp_path / "own").exists)
    assert scene.web.post(scene.endpoint(KEEP, trigger_arguments=arguments)).json() == [False, "still here"]


@row("B8.9")
def test_a_trigger_of_a_database_made_anew_starts_with_an_empty_cache(scene: Scene, tmp_path: Path) -> None:
    arguments = {"folder": str(tmp_path), "db": scene.database}
    target = scene.endpoint(KEEP, trigger_arguments=arguments)
    scene.web.post(target, content=b"put")
    scene.close()
    again = Scene(scene.web, scene.database)
    target = again.endpoint(KEEP, trigger_arguments=arguments)
    assert again.web.post(target).json() == [False, "still here"]


@row("B8.10")
@pytest.mark.parametrize(
    ("ttl", "text"),
    [
        ("-1", "cannot convert float seconds to Duration: value is negative"),
        ("-0.5", "cannot convert float seconds to Duration: value is negative"),
        ("float('nan')", "cannot convert float seconds to Duration: value is either too big or NaN"),
        ("float('inf')", "cannot convert float seconds to Duration: value is either too big or NaN"),
        ("1e30", "cannot convert float seconds to Duration: value is either too big or NaN"),
    ],
)
def test_times_to_live_that_are_none(scene: Scene, ttl: str, text: str) -> None:
    body = f"""
    try:
        influxdb3_local.cache.put("k", 1, {ttl})
    except ValueError as error:
        return [str(error), influxdb3_local.cache.get("k")]
    """
    assert scene.told(body) == [text, None]


@row("B8.10")
def test_a_value_that_lives_for_no_time_is_gone_at_once(scene: Scene) -> None:
    assert scene.told("influxdb3_local.cache.put('k', 1, 0)\nreturn [influxdb3_local.cache.get('k')]") == [None]


@row("B8.11")
def test_the_global_cache_is_seen_from_another_database(scene: Scene) -> None:
    other = Scene(scene.web)
    arguments = {"key": scene.database}
    put = "influxdb3_local.cache.put(args['key'], ['shared'], use_global=True)\nreturn []"
    scene.told(put, trigger_arguments=arguments)
    get = "return influxdb3_local.cache.get(args['key'], use_global=True)"
    assert other.told(get, trigger_arguments=arguments) == ["shared"]
    other.close()


REMEMBER = (
    REQUESTS
    + """
    import threading
    cache = influxdb3_local.cache
    if request_body:
        cache.put("count", {"n": 41})
        cache.get("count")["n"] += 1
        cache.put("shared", 7, use_global=True)
        if request_body == b"live":
            cache.put("lock", threading.Lock())
    return [cache.get("count"), cache.get("lock") is not None, cache.get("shared", use_global=True)]
"""
)


@pytest.mark.parametrize("isolation", EXECUTORS)
def test_after_a_restart_a_cache_is_back_whole_or_empty(tmp_path: Path, isolation: str) -> None:
    with web(tmp_path, plugin_isolation=isolation, **QUICK) as served:
        targets = remembering(served)
        assert served.post(targets[0], content=b"plain").json() == [{"n": 42}, False, 7]
        assert served.post(targets[1], content=b"live").json() == [{"n": 42}, True, 7]
    with web(tmp_path, plugin_isolation=isolation, **QUICK) as served:
        assert served.post(targets[0]).json() == [{"n": 42}, False, 7]
        assert served.post(targets[1]).json() == [None, False, 7]
        text = "WARN the cache of this trigger held values that cannot survive a restart: it starts empty"
        assert Scene(served, "db").logged(1) == [text]


def remembering(served: Web) -> list[str]:
    scene = Scene(served, "db")
    return [scene.endpoint(REMEMBER, name) for name in ("plain", "live")]
