from typing import Any

import pytest

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

LAST = "/api/v3/configure/last_cache"
DISTINCT = "/api/v3/configure/distinct_cache"
CHOSEN = ["--key-columns", "a,b", "--key-columns", "c", "--value-columns", "v", "--count", "3", "--ttl", "1h30m"]
CPU = ("-d", "foo", "-t", "cpu")


@pytest.mark.parametrize(
    ("command", "path", "body"),
    [
        (["last_cache"], LAST, {"count": 1, "ttl": 14400}),
        (
            ["last_cache", "c", *CHOSEN],
            LAST,
            {"name": "c", "key_columns": ["a", "b", "c"], "value_columns": ["v"], "count": 3, "ttl": 5400},
        ),
        (
            ["distinct_cache", "--columns", "a,b"],
            DISTINCT,
            {"columns": ["a", "b"], "max_cardinality": 100000, "max_age": 86400},
        ),
        (
            [*["distinct_cache", "c", "--columns", "a", "--max-cardinality", "5", "--max-age"], "2 days 1s"],
            DISTINCT,
            {"name": "c", "columns": ["a"], "max_cardinality": 5, "max_age": 172801},
        ),
        (["distinct_cache"], DISTINCT, {"columns": [], "max_cardinality": 100000, "max_age": 86400}),
    ],
)
def test_what_is_asked_for_is_sent_and_the_answer_printed(
    connected: RunCli, server: ScriptedServer, command: list[str], path: str, body: dict[str, Any]
) -> None:
    server.replies.append(Reply(201, b'{"catalog_batch":{"n":[1]}}'))
    result = connected("create", *command, *CPU)
    printed = 'new cache created: {\n  "catalog_batch": {\n    "n": [\n      1\n    ]\n  }\n}\n'
    assert (result.code, result.stdout) == (0, printed)
    assert (server.request.method, server.request.path) == ("POST", path)
    assert server.request.json == {"db": "foo", "table": "cpu", **body}


def test_an_answer_without_content_tells_of_a_cache_that_was_there(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(204, b""))
    result = connected("create", "last_cache", *CPU)
    assert (result.code, result.stdout) == (0, "a cache already exists for the provided parameters\n")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["last_cache", "--count", "0"], "0: invalid count for last cache provided"),
        (["last_cache", "--count", "x"], "'x': expected an unsigned integer for last cache count"),
        (["last_cache", "--ttl", "x"], "'x': expected number at 0"),
        (["distinct_cache", "--max-cardinality", "0"], "0: number would be zero for non-zero type"),
        (["distinct_cache", "--max-cardinality", "x"], "'x': not a whole number"),
        (["distinct_cache", "--max-cardinality", "-5"], "-5: must be at least 1"),
        (["distinct_cache", "--max-age", "1 fortnight"], "'1 fortnight': "),
    ],
)
def test_bad_options_are_told_before_anything_is_sent(
    connected: RunCli, server: ScriptedServer, options: list[str], text: str
) -> None:
    result = connected("create", *options, *CPU)
    assert (result.code, server.requests) == (2, [])
    assert text in " ".join(result.stderr.split())


@pytest.mark.parametrize(("kind", "word"), [("last_cache", "last cache"), ("distinct_cache", "distinct cache")])
def test_a_cache_is_deleted_without_asking(connected: RunCli, server: ScriptedServer, kind: str, word: str) -> None:
    result = connected("delete", kind, *CPU, "c")
    assert (result.code, result.stdout) == (0, f"{word} deleted successfully\n")
    assert (server.request.method, server.request.path) == ("DELETE", f"/api/v3/configure/{kind}")
    assert server.request.json == {"db": "foo", "table": "cpu", "name": "c"}
