import pytest

from engine.errors import DiskFull, Unavailable
from engine.write.admission import Admission, AdmissionConfig, AdmissionPorts, BufferFull, decide_delay_s


class Outside:
    """What an admission asks."""

    def __init__(self) -> None:
        self.unstored = 0
        self.full = False

    def check_disk(self) -> None:
        if self.full:
            raise DiskFull("no room")

    def admission(self, most_writes: int = 3, most_bytes: int = 100) -> Admission:
        ports = AdmissionPorts(lambda: self.unstored, self.check_disk)
        return Admission(AdmissionConfig(most_writes, most_bytes, 1000), ports)


@pytest.mark.parametrize(
    ("unstored", "delay_s"), [(0, 0.0), (1999, 0.0), (2000, 0.0), (2500, 0.5), (2900, 0.9), (3000, None), (9000, None)]
)
def test_writes_are_slowed_down_then_refused(unstored: int, delay_s: float | None) -> None:
    assert decide_delay_s(unstored, 1000) == pytest.approx(delay_s)


def test_as_many_writes_as_are_allowed() -> None:
    admission = Outside().admission()
    under_way = [admission.enter() for _ in range(3)]
    with pytest.raises(BufferFull, match=r"^write buffer error: error from wal: wal buffer full with 3 ops$"):
        admission.enter()
    with under_way[0]:
        pass
    admission.enter()


def test_as_many_bytes_as_are_allowed() -> None:
    admission = Outside().admission()
    with admission.enter() as first:
        first.add(60)
        with admission.enter() as second:
            second.add(40)
            with pytest.raises(BufferFull, match="full with 2 ops"):
                second.add(1)
        first.add(40)
    with admission.enter() as alone:
        alone.add(1000)  # a body of any size passes, one at a time
        with admission.enter() as other, pytest.raises(BufferFull):
            other.add(1)
    with admission.enter() as again:
        again.add(100)


def test_what_is_not_stored_yet_and_a_full_disk_keep_writes_out() -> None:
    outside = Outside()
    admission = outside.admission(most_writes=1)
    outside.unstored = 3000
    with pytest.raises(Unavailable, match="3000 bytes of rows wait in memory"):
        admission.enter()
    outside.unstored = 2500
    outside.full = True
    with pytest.raises(DiskFull):
        admission.enter()
    outside.full = False
    with admission.enter() as admitted:
        assert admitted.delay_s == 0.5
