import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import CatalogEditRefused
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_keys import KEYS, plain_trigger
from engine.model.trigger_spec import parse_trigger_spec
from influxdb3_cli.errors import AnswerUnusable
from influxdb3_cli.trigger_files import Triggers, format_triggers, parse_triggers, triggers_of
from tests.support.catalog import triggers

COPY = TriggerDefinition(0, "copy", "copy.py", parse_trigger_spec("all_tables"))
NAMES = st.sampled_from(["home", "a-b", "db/rp", "7"])

declared = st.dictionaries(
    NAMES,
    st.lists(triggers(), max_size=3, unique_by=lambda t: t.name).map(
        lambda drawn: tuple(sorted(drawn, key=lambda t: t.name))
    ),
    min_size=1,
)


@given(declared)
def test_what_is_written_reads_back(wanted: Triggers) -> None:
    assert parse_triggers(format_triggers(wanted).encode(), "t.toml") == wanted


def test_a_file_is_sorted_and_leaves_defaults_out() -> None:
    watch = TriggerDefinition(0, "watch", "w.py", parse_trigger_spec("every:60s"), {"a b": "env:X"}, enabled=False)
    text = format_triggers({"zoo": (), "home": (watch, COPY)})
    guide, *blocks = text.split("\n\n")
    assert all(line.startswith("#") for line in guide.splitlines())
    assert all(f"#   {key.key} " in guide for key in KEYS)
    assert blocks == [
        '[databases.home.triggers.copy]\nspec = "all_tables"\nplugin = "copy.py"',
        '[databases.home.triggers.watch]\nspec = "every:1m"\nplugin = "w.py"\narguments = { "a b" = "env:X" }\n'
        "enabled = false",
        "[databases.zoo]\n",
    ]


def test_the_guide_fits_a_screen_and_tells_words_and_defaults() -> None:
    guide = format_triggers({})
    assert max(map(len, guide.splitlines())) <= 120
    assert 'One of "log", "retry", "disable". Without it "log".' in " ".join(guide.replace("#", "").split())


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        pytest.param("", 1, "the file is empty", id="empty"),
        pytest.param("# nothing\n", 1, "the file declares no trigger; one begins with [databases.NAME", id="comments"),
        pytest.param("a = \n", 1, "not valid TOML", id="no TOML"),
        pytest.param("\n\ntokens = {}", 3, "unknown key 'tokens' in a file for apply; allowed are databases", id="top"),
        pytest.param(
            "[database.x.triggers.y]", 1, "is 'databases' meant? allowed are databases", id="nearly databases"
        ),
        pytest.param("databases = 7", 1, "databases must be tables with headers such as", id="no tables"),
        pytest.param("[databases]\nx = 1", 2, "database 'x' must be a table", id="no database"),
        pytest.param("[databases.x]\ntriggers = 1", 2, "triggers must be tables", id="no triggers"),
        pytest.param(
            "[databases.x.triggers]\ny = 1", 2, "trigger 'y' of database 'x' must be a table", id="no trigger"
        ),
        pytest.param('[databases.x]\nretention_period = "1d"', 2, "unknown key 'retention_period'", id="retention"),
        pytest.param("[databases._internal]", 1, "is the server's own", id="internal"),
        pytest.param("[databases.'a b']", 1, "bad name 'a b': invalid character", id="name"),
        pytest.param("[databases.x.triggers.y]\nid = 7", 2, "is the server's matter: leave the line out", id="id"),
        pytest.param('[databases.x.triggers.y]\nplugin = "p"', 1, "needs the key 'spec'", id="without spec"),
        pytest.param('[databases.x.triggers.y]\nspec="all_tables"', 1, "needs the key 'plugin'", id="without plugin"),
        pytest.param("[databases.x.triggers.y]\nspec=7", 2, "spec of trigger 'y' of database 'x' must be", id="type"),
        pytest.param('[databases.x.triggers.y]\nspec="every:"', 2, "failed to parse trigger from every:", id="spec"),
        pytest.param("[databases.x.triggers.y]\ntime_out = 3", 2, "is 'timeout' meant?", id="nearly timeout"),
    ],
)
def test_a_bad_file_is_told_with_line_and_key(text: str, line: int, reason: str) -> None:
    with pytest.raises(CatalogEditRefused) as refused:
        parse_triggers(text.encode(), "t.toml")
    assert str(refused.value).startswith(f"t.toml, line {line}: ")
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("arguments = { n = 7 }", "arguments.n of trigger 'y' of database 'x' must be a text in quotes"),
        ('error_behavior = "explode"', "must be log, retry or disable"),
        ('run_asynchronous = "yes"', "run_asynchronous of trigger 'y' of database 'x' must be true or false"),
        ('timeout = "long"', "timeout 'long' of trigger 'y' of database 'x': not a number of seconds above 0"),
        ('timezone = "Europe/Berlin"', "timezone is for schedule triggers"),
    ],
)
def test_a_bad_value_is_quoted(line: str, reason: str) -> None:
    text = f'[databases.x.triggers.y]\nspec = "all_tables"\nplugin = "p.py"\n{line}\n'
    with pytest.raises(CatalogEditRefused) as refused:
        parse_triggers(text.encode(), "t.toml")
    assert reason in str(refused.value)


@given(triggers())
def test_what_a_server_describes_is_understood(trigger: TriggerDefinition) -> None:
    gone = {"name": "old", "deleted": True, "triggers": [{}]}
    own = {"name": "_internal", "deleted": False, "triggers": []}
    home = {"name": "home", "deleted": False, "triggers": [plain_trigger(trigger)]}
    assert triggers_of({"databases": [gone, own, home]}) == {"home": (trigger,)}


@pytest.mark.parametrize("catalog", [{}, {"databases": [{}]}, {"databases": 7}])
def test_what_is_no_description_of_a_catalog_is_told(catalog: dict[str, object]) -> None:
    with pytest.raises(AnswerUnusable, match="does not describe its triggers"):
        triggers_of(catalog)


def test_the_file_is_plain_toml() -> None:
    assert tomli.loads(format_triggers({"home": (COPY,)})) == {
        "databases": {"home": {"triggers": {"copy": {"spec": "all_tables", "plugin": "copy.py"}}}}
    }
