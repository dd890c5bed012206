"""Objects: what every object store promises, by a store in memory and by S3 (moto)."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.errors import ObjectStoreAway, ObjectStoreRefused
from engine.storage.bucket import Bucket, Conflict, replace_if
from engine.storage.cloud import PART_BYTES, CloudBucket
from engine.storage.cloud_config import CloudConfig
from engine.storage.transfers import Transfers
from tests.support.buckets import MemoryBucket, MemoryObjects
from tests.support.object_store import BUCKET, S3, serving_s3, trouble_between

pytestmark = pytest.mark.process

_names = count()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with serving_s3() as store:
        yield store


def cloud(store: S3, **changes: Any) -> CloudBucket:
    config = {"access_key_id": "key", "secret_access_key": "very-secret", "endpoint": store.url}
    given: dict[str, Any] = {"kind": "s3", "bucket": BUCKET, "prefix": f"n{next(_names)}", "config": config}
    given |= {"client": {"allow_http": True}, "max_retries": 6, "retry_timeout_s": 10.0}
    return CloudBucket(CloudConfig(**given | changes), Transfers(SystemClock()))


@pytest.fixture(params=["memory", "s3"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    return MemoryBucket(MemoryObjects()) if request.param == "memory" else cloud(request.getfixturevalue("s3"))


def test_what_was_put_is_there(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    bucket.put("a/one", tmp_path / "file")
    bucket.put("a/two", b"")
    bucket.put("b/three", b"3")
    found = bucket.get("a/one")
    assert found is not None
    assert found.data == b"content"
    assert sorted(bucket.list("a/")) == ["a/one", "a/two"]
    assert bucket.list("c/") == []
    bucket.delete(["a/one", "a/never"])
    assert bucket.get("a/one") is None
    assert bucket.list("a/") == ["a/two"]


def test_only_who_has_seen_the_last_version_replaces_it(bucket: Bucket) -> None:
    first = bucket.put_if("k", b"1", None)
    with pytest.raises(Conflict):
        bucket.put_if("k", b"2", None)
    second = bucket.put_if("k", b"2", first)
    with pytest.raises(Conflict):
        bucket.put_if("k", b"3", first)
    found = bucket.get("k", brisk=True)
    assert found is not None
    assert (found.data, found.version) == (b"2", second)
    with pytest.raises(Conflict):
        bucket.put_if("other", b"1", second)


def test_a_try_that_came_through_after_all_is_known_again(bucket: Bucket) -> None:
    first = bucket.put_if("k", b"a1", None)
    lost = bucket.put_if("k", b"a2", first)

    def is_ours(data: bytes) -> bool:
        return data.startswith(b"a")

    assert replace_if(bucket, "k", b"a2", first, is_ours) == lost
    third = replace_if(bucket, "k", b"a3", first, is_ours)
    assert third is not None
    bucket.put_if("k", b"b1", third)
    assert replace_if(bucket, "k", b"a4", third, is_ours) is None


def test_a_large_file_goes_in_parts(s3: S3, tmp_path: Path) -> None:
    data = bytes(range(256)) * (PART_BYTES // 256 + 1)
    (tmp_path / "large").write_bytes(data)
    bucket = cloud(s3)
    bucket.put("large", tmp_path / "large")
    found = bucket.get("large")
    assert found is not None
    assert found.data == data
    moved = {(op, result): (n, size) for op, result, n, size, _ in bucket.transfers.figures()}
    assert moved["put", "success"] == moved["get", "success"] == (1, len(data))


@pytest.mark.parametrize("kind", ["busy", "cut", "lost", "slow"])
def test_trouble_that_passes_is_not_noticed(kind: str, s3: S3, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with trouble_between(s3) as (between, seen_as):
        between.slow_s = 0.6
        bucket = cloud(seen_as, request_timeout_s=0.5)
        # A removal is not tried again when it may have been carried out; that is done with the next one.
        left = {"PUT": 2, "GET": 2, "HEAD": 1, "POST": 1 if kind in ("busy", "cut") else 0}

        def trouble(method: str, path: str) -> str | None:
            left[method] -= 1
            return kind if left[method] >= 0 else None

        between.trouble = trouble
        bucket.put("k", tmp_path / "file")
        found = bucket.get("k")
        assert found is not None
        assert found.data == b"content"
        assert bucket.list("") == ["k"]
        bucket.delete(["k"])
        assert max(left.values()) < 0, "there was trouble for each of them"
        assert bucket.get("k") is None


def test_a_store_that_does_not_answer_is_away(s3: S3) -> None:
    with trouble_between(s3) as (between, seen_as):
        between.trouble = lambda method, path: "cut"
        bucket = cloud(seen_as, max_retries=1)
        asked: list[Callable[[], object]] = [
            lambda: bucket.get("k"),
            lambda: bucket.put("k", b""),
            lambda: bucket.put_if("k", b"", None),
            lambda: bucket.list(""),
            lambda: bucket.delete(["k"]),
        ]
        for ask in asked:
            with pytest.raises(ObjectStoreAway, match=r"^s3://bucket/n\d+: .*[^\n]$") as caught:
                ask()
            assert "very-secret" not in str(caught.value)
            assert len(str(caught.value).splitlines()) == 1


def test_a_bucket_that_is_not_there_is_told(s3: S3) -> None:
    bucket = cloud(s3, bucket="nowhere")
    for ask in (lambda: bucket.get("k"), lambda: bucket.put("k", b""), lambda: bucket.put_if("k", b"", None)):
        with pytest.raises(ObjectStoreRefused, match="there is no bucket 'nowhere' for s3://nowhere/"):
            ask()


def test_a_configuration_that_makes_no_sense_is_told() -> None:
    with pytest.raises(ObjectStoreRefused, match="the object store cannot be set up: "):
        cloud(S3("http://127.0.0.1:1"), client={"root_certificate": "no certificate", "allow_http": True})
