import asyncio
import threading

import pytest

from engine.errors import Unavailable
from engine.server.answers import Answers
from engine.write.service import WriteOutcome

DONE = WriteOutcome(1, ())


class CountingLoop(asyncio.SelectorEventLoop):
    """A loop that counts how often another thread wakes it."""

    def __init__(self) -> None:
        super().__init__()
        self.wake_ups = 0

    def call_soon_threadsafe(self, *args, **options):  # type: ignore[no-untyped-def]
        self.wake_ups += 1
        return super().call_soon_threadsafe(*args, **options)


def test_what_is_told_together_wakes_the_loop_once() -> None:
    answers = Answers()

    async def wait() -> list[WriteOutcome | BaseException]:
        waiters = [answers.waiter() for _ in range(50)]
        results: list[WriteOutcome | Exception] = [DONE, Unavailable("later")] * 25

        def tell() -> None:
            for waiter, result in zip(waiters, results, strict=True):
                waiter.tell(result)

        thread = threading.Thread(target=tell)
        thread.start()
        thread.join()
        return await asyncio.gather(*(waiter.future for waiter in waiters), return_exceptions=True)

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        found = runner.run(wait())
        loop = runner.get_loop()
        assert isinstance(loop, CountingLoop)
        assert loop.wake_ups == 1
    assert found[0] == DONE
    assert isinstance(found[1], Unavailable)


def test_a_loop_that_waits_is_woken_again() -> None:
    answers = Answers()

    async def wait(result: WriteOutcome | Exception) -> WriteOutcome:
        waiter = answers.waiter()
        threading.Timer(0.01, waiter.tell, (result,)).start()
        return await waiter.future

    for _ in range(2):  # another loop each time
        with asyncio.Runner() as runner:
            assert runner.run(wait(DONE)) == DONE
            with pytest.raises(Unavailable):
                runner.run(wait(Unavailable("later")))


def test_who_does_not_wait_any_more_is_passed_over() -> None:
    answers = Answers()

    async def wait() -> WriteOutcome:
        gone, there = answers.waiter(), answers.waiter()
        gone.future.cancel()
        gone.tell(DONE)
        there.tell(DONE)
        return await there.future

    assert asyncio.run(wait()) == DONE
