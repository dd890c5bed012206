"""Writers side by side, small and large bodies mixed: what is acknowledged is there, once and in order."""

import asyncio
from pathlib import Path

import pytest

from engine.server.routes.write import MOST_SMALL_BYTES
from tests.support.wal import SlowDisk
from tests.support.web import Web, web

LARGE_LINES = 500
ROUNDS = 6


def body(writer: int, number: int) -> str:
    """Return the body that ``writer`` sends as its ``number``-th: every fifth of them is large."""
    count = LARGE_LINES if (writer + number) % 5 == 0 else 1
    start = (number * LARGE_LINES) + 1
    return "\n".join(f"m,w=w{writer} n={start + i}i,last={number}i {start + i}" for i in range(count))


async def write_rounds(server: Web, writer: int) -> int:
    """Write one body after another, each after the acknowledgement of the one before; return how many rows."""
    rows = 0
    for number in range(ROUNDS):
        lines = body(writer, number)
        # One row is written again and again: the last acknowledged value must win.
        answer = await server.client.post(
            "/api/v3/write_lp?db=foo&precision=ns", content=f"{lines}\nlatest,w=w{writer} n={number}i 1"
        )
        assert answer.status_code == 204, answer.text
        rows += lines.count("\n") + 1
    return rows


@pytest.mark.parametrize("writers", [1, 10, 200])
def test_what_is_acknowledged_is_there_once_and_in_order(tmp_path: Path, writers: int) -> None:
    assert len(body(0, 0)) > MOST_SMALL_BYTES > len(body(0, 1))
    with web(tmp_path) as server:
        server.write("m,w=none n=0i 1")

        async def all_at_once() -> int:
            return sum(await asyncio.gather(*(write_rounds(server, writer) for writer in range(writers))))

        rows = server.run(all_at_once())
        counted = server.rows("SELECT count(*) AS n, count(DISTINCT w) AS w FROM m WHERE w != 'none'")
        assert counted == [{"n": rows, "w": writers}]
        assert server.rows("SELECT n, count(*) AS writers FROM latest GROUP BY n") == [
            {"n": ROUNDS - 1, "writers": writers}
        ]
        server.engine.snapshot()
        assert server.rows("SELECT count(*) AS n FROM m WHERE w != 'none'") == [{"n": rows}]


def test_small_writes_pass_while_large_ones_are_parsed(tmp_path: Path) -> None:
    with web(tmp_path) as server:
        server.write("m v=0 1")
        lines = "\n".join(f"big,host=h{i % 7} v={i}i {i + 1}" for i in range(50_000))
        done: list[str] = []

        async def post(name: str, content: str) -> None:
            answer = await server.client.post("/api/v3/write_lp?db=foo&precision=ns", content=content)
            assert answer.status_code == 204
            done.append(name)

        async def mixed() -> None:
            large = [asyncio.create_task(post("large", lines)) for _ in range(8)]
            await asyncio.gather(*(post("small", f"m v={n} {n + 2}") for n in range(20)))
            await asyncio.gather(*large)

        server.run(mixed())
        assert done[-1] == "large"
        assert server.rows("SELECT count(*) AS n FROM m") == [{"n": 21}]


def test_writes_of_many_clients_wait_for_the_disk_together(tmp_path: Path) -> None:
    disk = SlowDisk()
    with web(tmp_path, disk=disk) as server:
        server.write("m v=0 1")
        frames = len(disk.frames)
        disk.hold()

        async def behind_the_disk() -> list[int]:
            posts = [
                asyncio.create_task(server.client.post("/api/v3/write_lp?db=foo", content=f"m,t=a{n} v={n}"))
                for n in range(50)
            ]
            await asyncio.to_thread(disk.sync_began.wait, 10)
            disk.release()
            return [(await post).status_code for post in posts]

        assert set(server.run(behind_the_disk())) == {204}
        assert len(disk.frames) - frames <= 5
