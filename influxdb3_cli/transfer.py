"""How lines go to the server: cut into requests of a bounded size, some of them at the same time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from engine.model.durations import NS_PER_SECOND, format_duration
from influxdb3_cli.texts import format_size

_MILLISECOND_NS = 1_000_000


def cut_at_lines(blocks: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """Yield the bytes of ``blocks`` again, in pieces of whole lines up to ``most_bytes``; a longer line goes alone."""
    waiting = bytearray()
    for block in blocks:
        waiting += block
        while len(waiting) > most_bytes:
            end = waiting.rfind(b"\n", 0, most_bytes) + 1 or waiting.find(b"\n", most_bytes) + 1
            if not end:
                break
            yield bytes(waiting[:end])
            del waiting[:end]
    if waiting:
        yield bytes(waiting)


def send_all(send: Callable[[bytes], None], pieces: Iterator[bytes], most_at_once: int) -> Iterator[bytes]:
    """Send every piece, at most ``most_at_once`` together; yield each when it has arrived, stop at the first failure."""
    first = list(islice(pieces, 2))
    if len(first) == 2 and most_at_once > 1:
        yield from _send_together(send, chain(first, pieces), most_at_once)
        return
    for piece in chain(first, pieces):
        send(piece)
        yield piece


def _send_together(send: Callable[[bytes], None], pieces: Iterator[bytes], most_at_once: int) -> Iterator[bytes]:
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait  # here: start-up time

    under_way: dict[Future[None], bytes] = {}

    def arrived() -> Iterator[bytes]:
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            future.result()
            yield under_way.pop(future)

    pool = ThreadPoolExecutor(most_at_once)
    is_interrupted = False
    try:
        for piece in pieces:
            under_way[pool.submit(send, piece)] = piece
            if len(under_way) == most_at_once:
                yield from arrived()
        while under_way:
            yield from arrived()
    except (KeyboardInterrupt, GeneratorExit):
        is_interrupted = True  # the threads wait for the server
        raise
    finally:
        pool.shutdown(wait=not is_interrupted, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Progress:
    """What has arrived so far."""

    requests: int = 0
    lines: int = 0
    size_bytes: int = 0

    def after(self, piece: bytes) -> "Progress":
        """Return the progress with one more request, that of ``piece``."""
        lines = piece.count(b"\n") + (not piece.endswith(b"\n"))
        return Progress(self.requests + 1, self.lines + lines, self.size_bytes + len(piece))

    def report(self, elapsed_ns: int) -> str:
        """Return the line for people, ``elapsed_ns`` after the start."""
        elapsed = format_duration(elapsed_ns // _MILLISECOND_NS * _MILLISECOND_NS)
        seconds = max(elapsed_ns, 1) / NS_PER_SECOND
        noun = "request" if self.requests == 1 else "requests"
        return (
            f"  {elapsed}: {self.requests} {noun} ({self.requests / seconds:.2f} requests/sec), "
            f"{self.lines} lines ({self.lines / seconds:.0f} lines/s), "
            f"{format_size(self.size_bytes)} ({format_size(self.size_bytes / seconds)}/s)"
        )
