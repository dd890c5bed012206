"""Objects: real servers whose data is in an S3, with trouble on the way (fact 172)."""

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from engine.storage.owner import LOST
from tests.support.engines import eventually
from tests.support.live import Client
from tests.support.object_store import BUCKET, S3, serving_s3, trouble_between
from tests.support.serving import EndedEarly, Serving, launch

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with serving_s3() as store:
        yield store


@contextmanager
def node(folder: Path, store: S3, *options: str, name: str) -> Iterator[tuple[Serving, Client]]:
    """Run a server of the node ``name``, whose data is in ``store``; it is killed at the end if it still lives."""
    short = ["--object-store-lease-duration", "3s", "--force-snapshot-mem-size", "1mb"]
    launched = launch(folder, "--without-auth", "--node-id", name, *store.options(), *short, *options)
    client = Client("", "foo")
    try:
        served = launched.listening()
        client.at(served.url)
        yield served, client
    finally:
        client.close()
        if launched.process.poll() is None:
            launched.process.kill()
        launched.process.wait()


def stop(served: Serving) -> str:
    served.process.terminate()
    assert served.process.wait(30) == 0
    return served.log.read_text()


def counts(client: Client) -> list[int]:
    return [row["n"] for row in client.rows("SELECT count(*) AS n FROM cpu")]


def test_writes_survive_a_kill_and_the_loss_of_the_cache(s3: S3, tmp_path: Path) -> None:
    with node(tmp_path / "a", s3, name="kill") as (served, client):
        assert client.write("cpu,host=a v=1 1\ncpu,host=b v=2 700000000000")
        stop(served)
    with node(tmp_path / "a", s3, name="kill") as (served, client):
        assert client.write("cpu,host=c v=3 2")
        os.kill(served.process.pid, signal.SIGKILL)
        served.process.wait()
    for file in (tmp_path / "a/data/kill/parquet").rglob("*.parquet"):
        file.unlink()
    with node(tmp_path / "a", s3, name="kill") as (served, client):
        assert counts(client) == [3]
        assert client.rows("SELECT v FROM cpu WHERE host = 'b'") == [{"v": 2.0}]
        log = stop(served)
    assert "very-secret" not in log


def test_the_server_that_is_taken_over_refuses_writes_and_ends(s3: S3, tmp_path: Path) -> None:  # fact 172
    refusals = []
    with node(tmp_path / "a", s3, name="two") as (first, _):

        def write_to_the_end() -> None:
            with suppress(httpx.TransportError), httpx.Client(base_url=first.url) as client:
                while True:
                    answer = client.post("/api/v3/write_lp?db=foo", content="other v=2 2")
                    if answer.status_code != 204:
                        refusals.append(answer.text)

        writing = threading.Thread(target=write_to_the_end)
        writing.start()
        with node(tmp_path / "b", s3, "--object-store-take-over", name="two") as (_, client):
            assert first.process.wait(30) == 1
            writing.join()
            assert f"Serve command failed: {LOST}: " in first.log.read_text()
            assert client.write("cpu v=1 1")
            assert counts(client) == [1]
    assert refusals
    assert all(LOST in text for text in refusals), set(refusals)


def test_a_store_in_trouble_loses_nothing(s3: S3, tmp_path: Path) -> None:
    chance = random.Random(5)
    with trouble_between(s3) as (between, seen_as):
        with node(tmp_path / "a", seen_as, name="trouble") as (served, client):
            assert client.write("cpu v=0 1")
            between.trouble = lambda method, path: chance.choice(["busy", "cut", "lost", *[None] * 6])
            for number in range(1, 11):
                assert client.write("\n".join(f"cpu,n={number} v={i} {i * 10**9}" for i in range(8_000)))
            eventually(lambda: any(key.startswith("trouble/parquet/") for key in s3.listing()))
            between.trouble = lambda method, path: "cut"
            assert client.write("cpu v=1 2")
            eventually(lambda: "object_store_up 0.0" in httpx.get(f"{served.url}/metrics").text)
            assert "the object store cannot be used" in served.log.read_text()
            assert counts(client) == [80_002], "what is here is served"
            between.trouble = lambda method, path: None
            eventually(lambda: _last(served, "the object store can") == "be used again")
            assert 'op="put",result="error"' in httpx.get(f"{served.url}/metrics").text
            log = stop(served)
        assert "Traceback" not in log
    with node(tmp_path / "b", s3, name="trouble") as (_, client):
        assert counts(client) == [80_002]


def _last(served: Serving, text: str) -> str:
    """Return what follows the last ``text`` in the log, to the next colon."""
    return served.log.read_text().rpartition(f"{text} ")[2].partition(":")[0]


def test_a_bucket_that_is_not_there_is_told_at_the_start(s3: S3, tmp_path: Path) -> None:
    options = [word if word != BUCKET else "nowhere" for word in s3.options()]
    launched = launch(tmp_path, "--without-auth", *options)
    with pytest.raises(EndedEarly) as ended:
        launched.listening()
    assert ended.value.code == 1
    assert launched.log.read_text() == ("Serve command failed: there is no bucket 'nowhere' for s3://nowhere/node0\n")
