"""``kill -9`` of server and plugin hosts, at random and at named steps, under everything that triggers do.

Nothing that was acknowledged is lost, no effect doubled, what plugins keep is exact. ``SEED`` repeats the choices of a
run, ``ROUNDS`` makes it longer (``make crash``).
"""

import os
import random
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.crash.story import Story

pytestmark = pytest.mark.process

ROUNDS = int(os.environ.get("ROUNDS", "6"))


def test_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}: SEED={seed} ROUNDS={ROUNDS} make crash")
    with closing(Story(tmp_path, seed)) as story:
        story.begin()
        for number in range(ROUNDS):
            story.play(number)
        found = story.end()
        print(*story.figures, sep="\n")
    assert not found, "\n".join([f"seed {seed}", *story.figures, *found])
