import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from engine.runtime import Engine
from engine.server.auth import REGENERATE_PATH
from engine.server.recovery import Recovery
from tests.support.engines import open_engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path, without_auth=False) as opened:
        yield opened


def answers(engine: Engine, *requests: tuple[str, str]) -> tuple[list[tuple[int, str]], int]:
    """Send ``requests`` all at once; return the answers, and how often the listener was told to close."""
    closed: list[None] = []

    async def go() -> list[tuple[int, str]]:
        app = Recovery(engine.tokens.regenerate_admin, lambda: closed.append(None))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            sent = [client.request(method, path, content=b"ignored") for method, path in requests]
            return [(answer.status_code, answer.text) for answer in await asyncio.gather(*sent)]

    return asyncio.run(go()), len(closed)


def test_of_many_only_the_first_gets_a_token(engine: Engine) -> None:
    old = engine.tokens.create_admin().token
    got, closed = answers(engine, *[("POST", REGENERATE_PATH)] * 5)
    assert sorted(status for status, _ in got) == [201, 404, 404, 404, 404]
    assert closed > 0
    new = next(text for status, text in got if status == 201)
    assert old not in new
    assert '"name":"_admin","token":"apiv3_' in new


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", REGENERATE_PATH),
        ("POST", "/api/v3/configure/token/admin"),
        ("POST", f"{REGENERATE_PATH}/"),
        ("GET", "/health"),
        ("OPTIONS", REGENERATE_PATH),
    ],
)
def test_all_else_is_not_found(engine: Engine, method: str, path: str) -> None:
    engine.tokens.create_admin()
    assert answers(engine, (method, path)) == ([(404, "not found")], 0)


def test_without_an_operator_token_there_is_nothing_to_recover(engine: Engine) -> None:
    assert answers(engine, ("POST", REGENERATE_PATH)) == ([(404, "missing admin token, cannot update")], 0)
