"""The official clients for Go, JavaScript and Java against real servers: each tells one story, and these are its facts."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.server.version import product_version
from tests.clients.doors import DOORS, Door, door
from tests.clients.programs import LANGUAGES, told

pytestmark = [pytest.mark.process, pytest.mark.clients]

START = 1_700_000_000_000_000_001
ROOMS = [
    ({"room": "kitchen"}, {"temp": 21.5, "hum": "35", "co": "7", "note": 'a, "b"', "ok": True}),
    ({"room": "hall, small"}, {"temp": -1.5, "hum": "36", "co": "8", "note": "ü", "ok": False}),
    ({"room": "cellar", "floor": "-1"}, {"temp": 0.001, "hum": "-37", "co": "9", "note": "", "ok": True}),
]
STAMPED = [
    ("s", "1234567890000000000"),
    ("ms", "1234567890123000000"),
    ("us", "1234567890123456000"),
    ("ns", "1234567890123456789"),
]
NO_FIELDS = {"error_message": "No fields were provided", "line_number": 2, "original_line": "lines v= 2"}
OTHER_TYPE = {
    "error_message": "invalid column type for column 'v', "
    "expected iox::column_type::field::float, got iox::column_type::field::boolean",
    "line_number": 1,
    "original_line": "lines v=true 4",
}


@pytest.fixture(scope="module", params=DOORS)
def entrance(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def story(language: str, entrance: Door) -> dict[str, Any]:
    return told(language, entrance, language.replace(" ", "_"))


def moment(language: str, ns: int) -> str:
    """Return a time as the client of ``language`` can give it."""
    return str(ns if LANGUAGES[language].has_nanoseconds else ns // 1_000_000)


def test_every_way_of_writing_arrives_with_all_types(story: dict[str, Any], language: str) -> None:
    assert story["rows"] == [
        {"floor": None, **tags, **fields, "time": moment(language, START + number)}
        for number, (tags, fields) in enumerate(ROOMS)
    ]


def test_points_tell_tags_from_fields(story: dict[str, Any], language: str) -> None:
    assert story["points"] == [
        {"tags": tags, "fields": fields, "time": moment(language, START + number)}
        for number, (tags, fields) in enumerate(ROOMS)
    ]


@pytest.mark.parametrize(
    ("chapter", "expected"),
    [
        pytest.param("version", product_version(), id="version of the server"),
        pytest.param("nanoseconds", [{"ns": str(START + number)} for number in range(3)], id="times as numbers"),
        pytest.param("params", [{"room": "kitchen"}], id="parameters of all types"),
        pytest.param("empty", [], id="result without rows"),
        pytest.param("gzipped", [{"n": "5000", "v": "12497500"}], id="gzip"),
        pytest.param("large", {"rows": 100_000}, id="result of many messages"),
        pytest.param("precisions", [{"p": p, "time_ns": ns} for p, ns in STAMPED * 2], id="precisions, both versions"),
        pytest.param("partial_in", [{"v": "1.0"}, {"v": "3.0"}, {"v": "5.5"}], id="good lines of a partial write"),
        pytest.param("no_sync", [{"v": "1"}, {"v": "2"}], id="no_sync"),
        pytest.param("batched", [{"n": "250", "v": "31125"}], id="batches"),
        pytest.param("edges", [{"i": str(-(2**63)), "u": str(2**64 - 1)}], id="largest numbers"),
    ],
)
def test_chapter(story: dict[str, Any], language: str, chapter: str, expected: object) -> None:
    assert chapter in LANGUAGES[language].lacks or story[chapter] == expected


@pytest.mark.parametrize(
    ("chapter", "status", "text"),
    [
        ("partial", 400, "partial write of line protocol occurred:\n\tline 2: No fields were provided (lines v= 2)"),
        ("conflict", 400, f"\tline 1: {OTHER_TYPE['error_message']} (lines v=true 4)"),
        ("v2", 400, "write buffer error: line protocol parse failed: No fields were provided"),
        ("no_table", None, "Error during planning: table 'public.iox.strict' not found"),
        ("no_database", None, "database not found: nix"),
        ("no_sense", None, "SQL error: ParserError("),
    ],
)
def test_an_error_is_understood(
    story: dict[str, Any], language: str, chapter: str, status: int | None, text: str
) -> None:
    if "reasons" in LANGUAGES[language].lacks and "\tline" in text:
        text = "partial write of line protocol occurred"
    assert story[chapter].get("status") == status
    assert text in story[chapter]["message"]


def test_refused_lines_are_named(story: dict[str, Any], language: str) -> None:
    lines = (story["partial"].get("lines"), story["conflict"].get("lines"))
    assert lines == ((None, None) if "lines" in LANGUAGES[language].lacks else ([NO_FIELDS], [OTHER_TYPE]))


def test_all_or_nothing_names_the_first_line(story: dict[str, Any], language: str) -> None:
    if "strict" not in LANGUAGES[language].lacks:
        assert story["strict"]["status"] == 400
        assert story["strict"]["lines"] == [{**NO_FIELDS, "original_line": "strict v= 2"}]


def test_a_wrong_token_opens_nothing(story: dict[str, Any], entrance: Door) -> None:
    write, query = story["stranger"]["write"], story["stranger"]["query"]
    if entrance.is_open:
        assert write["message"] == query["message"] == "nothing failed"
        return
    assert write["status"] == 401
    assert "the request was not authenticated" in write["message"]
    assert "the request was not authenticated" in query["message"]
