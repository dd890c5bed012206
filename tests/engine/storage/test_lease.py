"""Objects: who may claim the data of a node."""

import json
from dataclasses import replace

import pytest

from engine.errors import ManifestCorrupt
from engine.storage.lease import Lease, Take, Watch, decide_claim, decode_lease, encode_lease

S = 10**9
NOW = 1_700_000_000 * S
HELD = Lease(epoch=4, holder="a", machine="m pid 7", renewed_ns=NOW - 10 * S, duration_s=30.0, position=12)


@pytest.mark.parametrize(
    ("found", "watched_s", "take_over", "expected"),
    [
        pytest.param(None, 0, False, Take(1), id="nobody-ever-had-it"),
        pytest.param(HELD, 0, False, Watch(35.0), id="held"),
        pytest.param(HELD, 34, False, Watch(1.0), id="held-and-watched"),
        pytest.param(HELD, 35, False, Take(5), id="watched-to-its-end"),
        pytest.param(HELD, 0, True, Take(5), id="somebody-wants-it"),
        pytest.param(replace(HELD, released=True), 0, False, Take(5), id="released"),
        pytest.param(replace(HELD, holder="b"), 0, False, Take(5), id="ours"),
        pytest.param(
            replace(HELD, renewed_ns=NOW - 149 * S), 0, False, Watch(35.0), id="ended-within-the-skew-of-clocks"
        ),
        pytest.param(replace(HELD, renewed_ns=NOW - 151 * S), 0, False, Take(5), id="ended-long-ago"),
        pytest.param(replace(HELD, renewed_ns=NOW + 900 * S), 0, False, Watch(35.0), id="from-a-clock-ahead"),
    ],
)
def test_a_claim(found: Lease | None, watched_s: float, take_over: bool, expected: Take | Watch) -> None:
    assert decide_claim(found, "b", NOW, watched_s, take_over=take_over) == expected


def test_a_lease_survives_its_bytes() -> None:
    assert decode_lease(encode_lease(HELD), "there") == HELD


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "there is damaged"),
        (b"[]", "there is damaged"),
        (b'{"version": 1, "what": 2}', "there is damaged"),
        (json.dumps({"version": 2}).encode(), "has format 2, this version reads up to 1"),
    ],
)
def test_a_lease_that_cannot_be_read_is_told(data: bytes, text: str) -> None:
    with pytest.raises(ManifestCorrupt, match=text):
        decode_lease(data, "there")
