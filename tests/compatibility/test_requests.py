"""What plugins read of a request, what they answer, and how they call each other through the server."""

import gzip
import json
from typing import Any

import pytest

from tests.support.scene import REQUESTS, WRITES, Scene

ANSWERS = {
    "dict": ('{"status": "success", "results": {"http": True}}', 200, {"status": "success", "results": {"http": True}}),
    "dict-and-status": ('{"error": "no body"}, 400', 400, {"error": "no body"}),
    "dict-status-and-headers": ('{"a": 1}, 201, {"X-Run": "1"}', 201, {"a": 1}),
    "list": ('[{"a": None}]', 200, [{"a": None}]),
    "nested": ('{"a": [1, 2.5, {"b": [True, None]}], "é": "ü"}', 200, {"a": [1, 2.5, {"b": [True, None]}], "é": "ü"}),
    "text-as-json": ('json.dumps({"a": 1}), 200, {"Content-Type": "application/json"}', 200, {"a": 1}),
}


@pytest.mark.parametrize(("expression", "status", "value"), [pytest.param(*a, id=way) for way, a in ANSWERS.items()])
def test_answer(scene: Scene, expression: str, status: int, value: Any) -> None:
    answer = scene.ask(f"return {expression}", top="import json\n")
    assert (answer.status_code, answer.json()) == (status, value)
    assert answer.headers["content-type"] == "application/json"


def test_headers_are_read_in_small_letters(scene: Scene) -> None:
    body = """
        return {
            "token": request_headers.get("source-token"),
            "none": request_headers.get("source-username"),
            "secret": "authorization" in request_headers,
            "all": isinstance(dict(request_headers), dict) and "content-type" in dict(request_headers),
            "encoded": len(json.loads(json.dumps(dict(request_headers)))) == len(request_headers),
        }
    """
    target = scene.endpoint("import json\n" + REQUESTS + body)
    headers = {"Source-Token": "abc", "Authorization": "Bearer x", "Content-Type": "application/json"}
    assert scene.web.post(target, content=b"{}", headers=headers).json() == {
        "token": "abc",
        "none": None,
        "secret": False,
        "all": True,
        "encoded": True,
    }


@pytest.mark.parametrize(
    ("sent", "zipped"), [(b"", False), (b'{"table": "cpu", "n": [1]}', False), (b'{"table": "cpu", "n": [1]}', True)]
)
def test_body_is_read(scene: Scene, sent: bytes, zipped: bool) -> None:
    """A dict from JSON, or nothing at all, told apart by its truth."""
    body = """
        if not request_body:
            return {"message": "no body", "type": type(request_body).__name__}
        assert isinstance(request_body, (bytes, bytearray))
        assert json.loads(request_body) == json.loads(request_body.decode("utf-8", errors="replace"))
        return json.loads(request_body)
    """
    target = scene.endpoint("import json\n" + REQUESTS + body)
    content, headers = (gzip.compress(sent), {"Content-Encoding": "gzip"}) if zipped else (sent, {})
    answer = scene.web.post(target, content=content, headers=headers).json()
    assert answer == (json.loads(sent) if sent else {"message": "no body", "type": "bytes"})


def test_parameters_choose_what_is_done(scene: Scene) -> None:
    body = """
        action = query_parameters.get("action", "start")
        if action not in ("start", "status", "pause"):
            return {"error": f"unknown action {action!r}"}, 400
        return {"action": action, "id": query_parameters.get("import_id"), "all": dict(query_parameters)}
    """
    target = scene.endpoint(REQUESTS + body)
    assert scene.web.get(f"{target}?action=status&import_id=a+b").json() == {
        "action": "status",
        "id": "a b",
        "all": {"action": "status", "import_id": "a b"},
    }
    assert scene.web.post(f"{target}?action=stop").status_code == 400


def test_bad_body_is_answered_by_the_plugin(scene: Scene) -> None:
    body = """
        try:
            json.loads(request_body)
        except JSONDecodeError:
            influxdb3_local.error("Invalid JSON in request body.")
            return {"status": "failed"}
    """
    target = scene.endpoint("import json\nfrom json import JSONDecodeError\n" + REQUESTS + body)
    assert scene.web.post(target, content=b"{").json() == {"status": "failed"}
    assert scene.logged(1) == ["ERROR Invalid JSON in request body."]


def test_error_that_nobody_catches_is_told(scene: Scene) -> None:
    answer = scene.ask('return json.loads("{")', top="import json\n")
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("Python function call failed: JSONDecodeError: ")


def test_plugin_calls_another_through_the_server(scene: Scene, address: str) -> None:
    """A check sends its alert to the notifier's path and reads the answer, all within its own run."""
    notify = (
        REQUESTS
        + """
    data = json.loads(request_body)
    influxdb3_local.info(data["notification_text"], sorted(data["senders_config"]), request_headers["content-type"])
    return {"status": "success", "results": {name: True for name in data["senders_config"]}}
"""
    )
    target = scene.endpoint("import json\n" + notify, "notify")
    check = (
        WRITES
        + """
    payload = {"notification_text": Template("$field is $value").safe_substitute(field="temp", value=99),
               "senders_config": {"http": {"http_webhook_url": "http://localhost"}}}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {args['token']}"}
    asked = Request(args["url"], data=json.dumps(payload).encode(), headers=headers)
    with urlopen(asked, timeout=10) as response:
        influxdb3_local.error("sent:", json.loads(response.read())["results"])
"""
    )
    top = "import json\nfrom string import Template\nfrom urllib.request import Request, urlopen\n"
    scene.trigger("table:home", top + check, "check", trigger_arguments={"url": address + target, "token": "t"})
    scene.write("home temp=99 1")
    assert sorted(scene.logged(2)) == ["ERROR sent: {'http': True}", "INFO temp is 99 ['http'] application/json"]
