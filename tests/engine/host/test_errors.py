import linecache

import pytest

from engine.host.errors import PLUGIN_CODE, RunFailed, as_run_error, details_of, encodable, rendered
from engine.host.protocol import RunError


class Outer:
    class Inner(Exception):
        pass


class Speechless(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("message"), "ValueError: message"),
        (ValueError(), "ValueError: "),
        (KeyError("k"), "KeyError: 'k'"),
        (Outer.Inner("x"), "Outer.Inner: x"),
        (SystemExit(3), "SystemExit: 3"),
        (ValueError("a\nb"), "ValueError: a\nb"),
        (ValueError("ü\udcff"), "ValueError: ü\\udcff"),
        (Speechless(), "Speechless: <no message: __str__ raised ValueError>"),
    ],
)
def test_exception_reads_as_class_and_message(error: BaseException, text: str) -> None:
    """Processing-engine §3.7."""
    assert rendered(error) == text


def test_details_begin_with_the_plugins_first_frame() -> None:
    source = "def f():\n    raise ValueError('x')\n"
    names: dict[str, object] = {}
    exec(compile(source, PLUGIN_CODE, "exec"), names)
    with pytest.raises(ValueError, match="x") as raised:
        names["f"]()  # type: ignore[operator]
    details = details_of(raised.value, source)
    assert details.endswith("  File \"<string>\", line 2, in f\n    raise ValueError('x')\nValueError: x\n")
    assert PLUGIN_CODE not in linecache.cache


def test_details_tell_the_causes() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError as error:
        details = details_of(error, None)
    assert "KeyError: 'first'" in details
    assert "direct cause" in details


def test_details_of_an_exception_that_cannot_speak_are_there() -> None:
    assert "Speechless" in details_of(Speechless(), None)


def test_own_reasons_keep_their_kind_and_text() -> None:
    assert as_run_error("call", RunFailed("load", "the text", "where")) == RunError("load", "the text", "where")


def test_text_that_can_travel_is_left_alone() -> None:
    assert [encodable(text) for text in ("a", "ü€", "\udc00a")] == ["a", "ü€", "\\udc00a"]
