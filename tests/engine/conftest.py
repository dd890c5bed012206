"""What holds for the tests of single parts: threads end with their test."""

import threading
from collections.abc import Generator

import pytest

from tests.support.threads import left_behind

THREADS = pytest.StashKey[list[threading.Thread]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Take note of the threads that are there before a test."""
    item.stash[THREADS] = threading.enumerate()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail a test that leaves threads, as an engine does that nobody closed, unless it shares what others made."""
    yield
    if _stands_alone(item) and (left := left_behind(item.stash[THREADS])):
        pytest.fail(f"threads are left: {', '.join(left)}", pytrace=False)


def _stands_alone(item: pytest.Item) -> bool:
    """Return whether all that a test uses is made for it, and ends with it."""
    if not isinstance(item, pytest.Function):
        return False
    found = item._fixtureinfo.name2fixturedefs.values()
    return all(fixture.scope == "function" for fixtures in found for fixture in fixtures if fixture.baseid)
