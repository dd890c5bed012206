import pytest

from engine.errors import DatabaseNameError, InvalidRequest, QueryError
from engine.model.names import check_bucket_name, check_database_name, check_query_database_name

EMPTY = "db name cannot be empty"
TOO_LONG = "db name too long: max 511"
BAD_START = "db name did not start with a number or letter"
BAD_CHARACTER = (
    "invalid character in database or rp name: must be ASCII, containing only letters, numbers, underscores, or hyphens"
)
BAD_POLICY = (
    "db name with invalid retention policy, if providing a retention policy name, must be of form '<db_name>/<rp_name>'"
)


@pytest.mark.parametrize(
    "name", ["a", "7", "sensors", "my_db", "my-db", "A1_-", "db/rp", "db_", "foo-20261121T031500", "x" * 511]
)
def test_ordinary_names_are_accepted(name):
    check_database_name(name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", EMPTY),
        ("x" * 512, TOO_LONG),
        ("é" * 256, TOO_LONG),
        ("_foo", BAD_START),
        ("-foo", BAD_START),
        ("/rp", BAD_START),
        (" foo", BAD_START),
        ("éclair", BAD_CHARACTER),
        ("bad db", BAD_CHARACTER),
        ("a.b", BAD_CHARACTER),
        ("a\n", BAD_CHARACTER),
        ("a\ud800", BAD_CHARACTER),
        ("a/b/c", BAD_POLICY),
        ("a/", BAD_POLICY),
    ],
)
def test_other_names_are_refused_with_the_rule_that_they_break(name, text):
    with pytest.raises(InvalidRequest) as refused:
        check_database_name(name)
    assert str(refused.value) == text


@pytest.mark.parametrize("name", ["_internal", "-x", "/", "äöü9", "a/b/c", "foo-20261121T031500", "x" * 511])
def test_queries_of_plugins_may_name_more(name):
    check_query_database_name(name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bad db", "database name 'bad db' contains invalid character, character number 3 is not allowed"),
        ("é!", "database name 'é!' contains invalid character, character number 1 is not allowed"),
        ("", "database name  length must be between 1 and 511 characters"),
        ("x" * 512, f"database name {'x' * 512} length must be between 1 and 511 characters"),
    ],
)
def test_queries_of_plugins_learn_which_character_is_wrong(name, text):
    with pytest.raises(QueryError) as refused:
        check_query_database_name(name)
    assert str(refused.value) == f"invalid database name provided: {text}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "namespace name  length must be between 1 and 64 characters"),
        ("a" * 65, f"namespace name {'a' * 65} length must be between 1 and 64 characters"),
        ("a b", "namespace name 'a b' contains invalid character, character number 1 is not allowed"),
    ],
)
def test_a_bucket_name_is_refused_in_its_own_words(name: str, text: str) -> None:
    with pytest.raises(DatabaseNameError) as told:
        check_bucket_name(name)
    assert str(told.value) == text


@pytest.mark.parametrize("name", ["a", "a/autogen", "_x-1", "a" * 64])
def test_a_bucket_may_have_these_names(name: str) -> None:
    check_bucket_name(name)
