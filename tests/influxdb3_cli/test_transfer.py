import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxdb3_cli.transfer import Progress, cut_at_lines, send_all


@pytest.mark.parametrize(
    ("blocks", "most_bytes", "expected"),
    [
        pytest.param([], 10, [], id="nothing"),
        pytest.param([b"a 1\nb 2\n"], 10, [b"a 1\nb 2\n"], id="all-fits"),
        pytest.param([b"a 1\nb 2\n"], 7, [b"a 1\n", b"b 2\n"], id="cut-between-lines"),
        pytest.param([b"a 1\nb 2\nc 3"], 8, [b"a 1\nb 2\n", b"c 3"], id="as-many-lines-as-fit"),
        pytest.param([b"a ", b"1\nb", b" 2\n"], 4, [b"a 1\n", b"b 2\n"], id="lines-across-blocks"),
        pytest.param([b"long line\nb 2\n"], 4, [b"long line\n", b"b 2\n"], id="a-longer-line-goes-alone"),
        pytest.param([b"long ", b"line"], 4, [b"long line"], id="a-longer-line-without-end"),
    ],
)
def test_input_is_cut_between_lines(blocks: list[bytes], most_bytes: int, expected: list[bytes]) -> None:
    assert list(cut_at_lines(blocks, most_bytes)) == expected


@given(st.lists(st.text("ab\n", max_size=12).map(str.encode)), st.integers(1, 20))
def test_cutting_loses_nothing_and_keeps_the_limit(blocks: list[bytes], most_bytes: int) -> None:
    pieces = list(cut_at_lines(blocks, most_bytes))
    assert b"".join(pieces) == b"".join(blocks)
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    assert all(len(piece) <= most_bytes or piece.rstrip(b"\n").count(b"\n") == 0 for piece in pieces)


def test_a_single_piece_is_sent_in_the_callers_thread() -> None:
    threads: list[threading.Thread] = []
    arrived = list(send_all(lambda piece: threads.append(threading.current_thread()), iter([b"a"]), 32))
    assert (arrived, threads) == ([b"a"], [threading.current_thread()])


def test_pieces_are_under_way_together() -> None:
    together = threading.Barrier(3)

    def send(piece: bytes) -> None:
        together.wait(timeout=10)

    arrived = list(send_all(send, iter([b"a", b"b", b"c"]), 3))
    assert sorted(arrived) == [b"a", b"b", b"c"]


def test_no_more_pieces_are_under_way_than_allowed() -> None:
    under_way: set[bytes] = set()
    most = 0

    def send(piece: bytes) -> None:
        nonlocal most
        under_way.add(piece)
        most = max(most, len(under_way))
        under_way.remove(piece)

    assert len(list(send_all(send, (bytes([number]) for number in range(50)), 2))) == 50
    assert most <= 2


@pytest.mark.parametrize("most_at_once", [1, 2])
def test_the_first_failure_ends_it(most_at_once: int) -> None:
    asked: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            asked.append(number)
            yield bytes([number])

    def send(piece: bytes) -> None:
        if piece == b"\x03":
            raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        list(send_all(send, pieces(), most_at_once))
    assert len(asked) < 10


def test_progress_counts_requests_lines_and_bytes() -> None:
    progress = Progress().after(b"a 1\nb 2\n").after(b"c 3")
    assert progress == Progress(requests=2, lines=3, size_bytes=11)


@pytest.mark.parametrize(
    ("progress", "elapsed_ns", "expected"),
    [
        (
            Progress(1, 1, 18),
            102_040_816,
            "  102ms: 1 request (9.80 requests/sec), 1 lines (10 lines/s), 18B (176B/s)",
        ),
        (
            Progress(3, 9000, 3 << 20),
            1_500_000_000,
            "  1s 500ms: 3 requests (2.00 requests/sec), 9000 lines (6000 lines/s), 3.00MiB (2.00MiB/s)",
        ),
    ],
)
def test_progress_is_told_in_one_line(progress: Progress, elapsed_ns: int, expected: str) -> None:
    assert progress.report(elapsed_ns) == expected


def test_progress_within_no_time_at_all_has_a_rate() -> None:
    assert Progress(1, 1, 1).report(0).startswith("  0s: 1 request (")
