import pytest

from engine.storage.manifest import FileEntry
from engine.storage.retention import DAY_NS, Retention, expired_files

NOW = 100 * DAY_NS
KEEP = Retention(7 * DAY_NS, 1000, {"letters": Retention(30 * DAY_NS, 500)})


def file(name: str, age_days: float, size: int = 100) -> FileEntry:
    newest = NOW - int(age_days * DAY_NS)
    return FileEntry(name, 1, 0, 1, 2, 5, newest - 1, newest, size, 0, 1)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"logs": [file("a", 6.9), file("b", 7.1)]}, ["b"], id="older than a week"),
        pytest.param({"letters": [file("a", 29), file("b", 31)]}, ["b"], id="dead letters are kept longer"),
        pytest.param({"logs": [file("a", 1, 900)], "letters": [file("b", 2, 400)]}, [], id="logs drive no letters out"),
        pytest.param({"letters": [file("a", 1, 300), file("b", 2, 300)]}, ["b"], id="too many letters: the oldest go"),
        pytest.param({"logs": [file("a", 1, 600), file("b", 2, 600)]}, ["b"], id="too much: the oldest goes"),
        pytest.param(
            {"logs": [file("a", 8, 900)], "runs": [file("b", 1, 900)]}, ["a"], id="what is too old does not count"
        ),
    ],
)
def test_what_is_too_old_or_too_much_goes(files: dict[str, list[FileEntry]], expected: list[str]) -> None:
    assert [f.name for f in expired_files(files, KEEP, NOW)] == expected
