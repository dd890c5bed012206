"""The targets of ``make fuzz`` hold for their seeds, and for a little noise."""

import random

import pytest

from tests.fuzz.__main__ import SHARES
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found_in_what_fuzzing_begins_with(name: str) -> None:
    choose = random.Random(name)
    for seed in seeds(name):
        TARGETS[name](seed)
        damaged = bytearray(seed)
        for _ in range(choose.randint(1, 3)):
            damaged[choose.randrange(len(damaged))] = choose.randrange(256)
        TARGETS[name](bytes(damaged))


def test_each_target_has_its_share_of_the_time() -> None:
    assert SHARES.keys() == TARGETS.keys()
    assert sum(SHARES.values()) == pytest.approx(1)
