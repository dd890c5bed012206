"""What plugins print, and whose it is."""

import io
import logging
import threading
from collections.abc import Iterator

import pytest

from engine.host import output
from engine.host.output import MOST_WAITING_CHARACTERS, PluginOutput

Logged = list[tuple[str, str]]


@pytest.fixture
def raw() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), write_through=True)


@pytest.fixture
def stream(raw: io.TextIOWrapper) -> PluginOutput:
    return PluginOutput(raw, "INFO")


@pytest.fixture
def logged() -> Iterator[Logged]:
    lines: Logged = []
    output.listen_to(lambda level, text: lines.append((level, text)))
    yield lines
    output.stop_listening()


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (["one\n"], ["one"]),
        (["a", " ", "b", "\n"], ["a b"]),
        (["one\ntwo\nthr", "ee\n"], ["one", "two", "three"]),
        (["\n\n"], []),
        (["no end"], []),
        (["\udcff\n"], ["\\udcff"]),
        (["x" * (MOST_WAITING_CHARACTERS + 1)], ["x" * MOST_WAITING_CHARACTERS]),
    ],
)
def test_lines_of_a_run_are_its_log_lines(
    stream: PluginOutput, logged: Logged, texts: list[str], lines: list[str]
) -> None:
    for text in texts:
        assert stream.write(text) == len(text)
    assert logged == [("INFO", line) for line in lines]


def test_the_end_of_a_run_ends_its_line(stream: PluginOutput, logged: Logged) -> None:
    print("without end", end="", file=stream)
    output.stop_listening()
    assert logged == [("INFO", "without end")]


def test_what_no_run_prints_goes_to_the_output_of_the_host(stream: PluginOutput, raw: io.TextIOWrapper) -> None:
    print("nobody", file=stream)
    assert raw.buffer.getvalue() == b"nobody\n"  # type: ignore[attr-defined]


def test_each_thread_speaks_for_itself(stream: PluginOutput, logged: Logged, raw: io.TextIOWrapper) -> None:
    thread = threading.Thread(target=lambda: print("other", file=stream))
    print("mine", end="", file=stream)
    thread.start()
    thread.join()
    print(" too", file=stream)
    assert logged == [("INFO", "mine too")]
    assert raw.buffer.getvalue() == b"other\n"  # type: ignore[attr-defined]


def test_it_behaves_as_a_text_stream(stream: PluginOutput, raw: io.TextIOWrapper, logged: Logged) -> None:
    assert (stream.writable(), stream.isatty(), stream.encoding, stream.errors) == (True, False, "UTF-8", raw.errors)
    assert stream.buffer is raw.buffer
    with pytest.raises(TypeError, match="must be str, not bytes"):
        stream.write(b"x")  # type: ignore[arg-type]
    with pytest.raises(io.UnsupportedOperation):
        stream.fileno()
    stream.close()
    handler = logging.StreamHandler(stream)
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "logged", None, None))
    assert logged == [("INFO", "logged")]
