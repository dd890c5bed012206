import threading

from engine.catalog.publisher import Publication, Publisher
from engine.catalog.state import CatalogState

STATES = [CatalogState(str(number)) for number in range(4)]


def test_deliver_waits_for_what_another_thread_delivers() -> None:
    publisher = Publisher()
    begun, may_end = threading.Event(), threading.Event()
    told: list[str] = []

    def slow(old: CatalogState, new: CatalogState) -> None:
        begun.set()
        may_end.wait(10)
        told.append(new.cluster_uuid)

    publisher.subscribe(slow)
    publisher.enqueue(Publication(STATES[0], STATES[1]))
    first = threading.Thread(target=publisher.deliver)
    first.start()
    assert begun.wait(10)
    publisher.enqueue(Publication(STATES[1], STATES[2]))
    told_when_back: list[list[str]] = []
    second = threading.Thread(target=lambda: (publisher.deliver(), told_when_back.append(list(told))))
    second.start()
    may_end.set()
    first.join()
    second.join()
    assert told_when_back == [["1", "2"]]


def test_failure_of_one_observer_is_kept_and_the_others_are_told() -> None:
    publisher = Publisher()
    told: list[str] = []

    def fail(old: CatalogState, new: CatalogState) -> None:
        raise ValueError(new.cluster_uuid)

    publisher.subscribe(fail)
    publisher.subscribe(lambda old, new: told.append(new.cluster_uuid))
    first, second = Publication(STATES[0], STATES[1]), Publication(STATES[1], STATES[2])
    publisher.enqueue(first)
    publisher.enqueue(second)
    publisher.deliver()
    assert told == ["1", "2"]
    assert [str(p.error) for p in (first, second)] == ["1", "2"]
