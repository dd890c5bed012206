import errno
import json

import pytest

from engine import errors
from engine.errors import EngineError
from engine.lineprotocol.groups import RejectedLine
from engine.server import errors as server_errors
from engine.server.errors import (
    MOST_TOLD_LINES,
    BodyTooLarge,
    PartialWrite,
    body_for,
    disk_failure,
    partial_write,
    status_for,
    v2_body_for,
)
from engine.write.service import LinesRejected

LINE = RejectedLine(2, "No fields were provided", "cpu,host=a val= 123")
LINE_JSON = b'{"error_message":"No fields were provided","line_number":2,"original_line":"cpu,host=a val= 123"}'


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (errors.EngineError("x"), 500, b"x"),
        (errors.InvalidRequest("x"), 400, b"x"),
        (errors.TriggerSpecError("failed to parse"), 400, b"failed to parse"),
        (errors.DatabaseNameError("db name cannot be empty"), 400, b'{"error":"db name cannot be empty"}'),
        (errors.InternalDatabase("cannot modify internal db"), 500, b"cannot modify internal db"),
        (errors.OperatorTokenNeeded("cannot delete operator token"), 405, b"cannot delete operator token"),
        (errors.QueryError("SQL error: x"), 400, b"SQL error: x"),
        (errors.QueryNotSupported("This feature is not implemented: x"), 405, b"This feature is not implemented: x"),
        (errors.QueryFailed("Schema error: x"), 500, b"Schema error: x"),
        (errors.Unauthorized("no"), 401, b'{"error": "no"}'),
        (errors.AuthorizationMalformed("bad"), 400, b'{"error": "bad"}'),
        (errors.Forbidden("Package installation"), 403, b"Package installation"),
        (errors.NotFound("x"), 404, b"x"),
        (errors.DatabaseNotFound("x"), 404, b"x"),
        (errors.AlreadyExists("x"), 409, b"x"),
        (errors.AlreadyDeleted("x"), 409, b"x"),
        (errors.StillRunning("x"), 409, b"x"),
        (errors.LimitExceeded("x"), 422, b'{"error":"x"}'),
        (errors.Unavailable("x"), 503, b"x"),
        (errors.PluginFailed("é"), 500, '{"error":"é"}'.encode()),
        (errors.PluginNotFound("x"), 500, b"Plugin error: x"),
        (errors.EngineOff("x"), 500, b"Plugin error: x"),
        (errors.PluginError("Path traversal detected"), 500, b"Plugin error: Path traversal detected"),
        (errors.SyncFailed("x"), 500, b"x"),
        (server_errors.RouteMissing(), 404, b"Not found"),
        (server_errors.TokensOff(), 405, b"endpoint disabled, started without auth"),
        (BodyTooLarge(7), 413, b"max request size (7 bytes) exceeded"),
        (server_errors.ContentTypeRefused(), 415, b"unacceptable content-type, expected: application/json"),
        (PartialWrite([LINE]), 400, b'{"error":"partial write of line protocol occurred","data":[%s]}' % LINE_JSON),
        (server_errors.ParameterRefused("x"), 400, b'{"error":"x"}'),
        (LinesRejected([LINE]), 400, b'{"error":"line protocol parsing error","data":%s}' % LINE_JSON),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, EngineError) else "",
)
def test_every_error_has_its_status_and_body(error: EngineError, status: int, body: bytes) -> None:
    assert (status_for(error), body_for(error)) == (status, body)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("No fields were provided", 400),
        ("Update to schema would exceed number of columns per table limit of 5 columns", 422),
        ("Update to schema would exceed number of tables limit: attempted", 422),
    ],
)
def test_a_partial_write_tells_by_its_status_that_a_limit_was_passed(message: str, status: int) -> None:
    error = partial_write([LINE, RejectedLine(3, message, "m f=1")])
    assert status_for(error) == status
    assert [line["line_number"] for line in json.loads(body_for(error))["data"]] == [2, 3]


def test_of_very_many_lines_only_the_first_are_told() -> None:
    told = json.loads(body_for(PartialWrite([LINE] * (MOST_TOLD_LINES + 5))))
    assert list(told) == ["error", "data", "rejected_lines"]
    assert (len(told["data"]), told["rejected_lines"]) == (MOST_TOLD_LINES, MOST_TOLD_LINES + 5)
    assert list(json.loads(body_for(PartialWrite([LINE] * MOST_TOLD_LINES)))) == ["error", "data"]


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (errors.InvalidRequest("missing bucket value"), b'{"code":"invalid","message":"missing bucket value"}'),
        (errors.DatabaseNameError("db name"), b'{"code":"invalid","message":"db name"}'),
        (BodyTooLarge(7), b'{"code":"request too large","message":"max request size (7 bytes) exceeded"}'),
        (errors.SyncFailed("the disk"), b'{"code":"internal error","message":"the disk"}'),
        (errors.Unavailable("later"), b'{"code":"unavailable","message":"later"}'),
    ],
)
def test_version_2_tells_a_code_and_a_message(error: EngineError, body: bytes) -> None:
    assert v2_body_for(error) == body


def test_text_that_is_no_utf8_can_be_told() -> None:
    assert body_for(EngineError("a\ud800")) == b"a?"


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (OSError(errno.ENOSPC, "No space left", "/d/catalog.toml"), 503, "(No space left: /d/catalog.toml)"),
        (OSError(errno.EDQUOT, "Quota exceeded"), 503, "(Quota exceeded)"),
        (PermissionError(errno.EACCES, "Permission denied"), 500, "(Permission denied)"),
    ],
)
def test_a_disk_that_fails_is_told(error: OSError, status: int, text: str) -> None:
    told = disk_failure(error)
    assert told is not None
    assert (status_for(told), str(told)) == (status, f"the disk does not take this {text}")


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "x"), ConnectionResetError(), KeyError("secret")])
def test_other_failures_are_told_without_their_text(error: Exception) -> None:
    assert disk_failure(error) is None
