import threading

from engine.host.memory import PeakMemory

LARGE = 64 << 20


def test_peak_holds_what_was_given_back() -> None:
    memory = PeakMemory()
    memory.begin()
    before = memory.end()
    memory.begin()
    block = bytearray(LARGE)
    del block
    assert memory.end() - before > LARGE // 2


def test_each_run_has_its_own_peak() -> None:
    memory = PeakMemory()
    memory.begin()
    block = bytearray(LARGE)
    del block
    high = memory.end()
    memory.begin()
    assert high - memory.end() > LARGE // 2


def test_a_run_among_others_counts_from_the_first_of_them() -> None:
    memory = PeakMemory()
    memory.begin()
    block = bytearray(LARGE)
    del block
    found: list[int] = []

    def other() -> None:
        memory.begin()
        found.append(memory.end())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found == [memory.end()]
