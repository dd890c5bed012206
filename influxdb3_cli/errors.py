"""Why a command fails; each text completes the line ``<Verb> command failed: …``."""

from http import HTTPStatus
from pathlib import Path

from influxdb3_cli.texts import os_error, quote


class ReaderGone(Exception):
    """Nobody reads any more what the command prints, as when ``head`` has seen enough."""


class CommandFailed(Exception):
    """A command cannot do what was asked."""

    def debug_form(self) -> str:
        """Return the form that the answer of ``create token`` holds, as scripts know it."""
        return quote(str(self))


class ServerRefused(CommandFailed):
    """The server answered, but did not do what it was asked for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"server responded with error [{status} {_reason(status)}]: {message}")
        self.status = status
        self.message = message

    def debug_form(self) -> str:
        """See ``CommandFailed``."""
        return f"ApiError {{ code: {self.status}, message: {quote(self.message)}, error_code: None }}"


class RequestNotSent(CommandFailed):
    """No answer came: nobody listens there, or the connection broke; ``stage`` is ``Connect`` or ``SendRequest``."""

    def __init__(self, method: str, url: str, stage: str, why: str = "") -> None:
        super().__init__(f"failed to send {method} {url} request: client error ({stage}){why}")
        self.stage = stage
        self.why = why
        self._sent = f"method: {method}, url: {quote(url)}, source: client error ({stage}){why}"

    def debug_form(self) -> str:
        """See ``CommandFailed``."""
        return f"RequestSend {{ {self._sent} }}"


class AnswerUnusable(CommandFailed):
    """The server's answer is not the JSON that it should be."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"failed to parse JSON response: {detail}")


class AnswerBroken(CommandFailed):
    """The server's answer ended before it was complete."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"the server's answer ended early: {detail}")


class FileTrouble(CommandFailed):
    """A file of the caller cannot be read or written; ``path`` where the error does not say which."""

    def __init__(self, error: OSError, path: Path | None = None) -> None:
        super().__init__(f"io error: {os_error(error)}")
        self.path = str(error.filename if path is None else path)
        self.number = error.errno


class OutputTrouble(CommandFailed):
    """Standard output cannot be written, as on a full disk."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {os_error(error)}")


class Unexpected(CommandFailed):
    """The command met something that nobody thought of; ``verb`` is its name, ``None`` = the caller sees where."""

    def __init__(self, error: BaseException, verb: str | None) -> None:
        text = " ".join(str(error).split())
        super().__init__(f"unexpected error: {type(error).__name__}" + (f": {text}" if text else ""))
        self.verb = verb


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "<unknown status code>"
