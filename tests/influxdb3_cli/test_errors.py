import pytest

from influxdb3_cli.errors import AnswerUnusable, CommandFailed, FileTrouble, RequestNotSent, ServerRefused


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ServerRefused(404, "gone"), "server responded with error [404 Not Found]: gone"),
        (ServerRefused(599, "odd"), "server responded with error [599 <unknown status code>]: odd"),
        (
            RequestNotSent("GET", "http://127.0.0.1:1/x", "Connect"),
            "failed to send GET http://127.0.0.1:1/x request: client error (Connect)",
        ),
        (AnswerUnusable("expected an object"), "failed to parse JSON response: expected an object"),
        (
            FileTrouble(FileNotFoundError(2, "No such file or directory")),
            "io error: No such file or directory (os error 2)",
        ),
    ],
)
def test_errors_have_the_texts_of_the_product(error: CommandFailed, expected: str) -> None:
    assert str(error) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            ServerRefused(409, "token name already exists, _admin"),
            'ApiError { code: 409, message: "token name already exists, _admin", error_code: None }',
        ),
        (
            RequestNotSent("POST", "http://h/x", "Connect"),
            'RequestSend { method: POST, url: "http://h/x", source: client error (Connect) }',
        ),
        (CommandFailed("no"), '"no"'),
    ],
)
def test_the_answer_of_create_token_has_a_debug_form(error: CommandFailed, expected: str) -> None:
    assert error.debug_form() == expected
