import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.host.protocol import Done, RunError
from engine.plugins.ports import RunLimits
from engine.plugins.secrets import MOST_BYTES, SecretExecutor, SecretMissing, Secrets, mask_for
from tests.support.plugins import WAIT_S, Ends, FakeDatabase, plugin_file, plugin_run
from tests.support.scripted_executor import ScriptedExecutor

ENVIRON = {"TOKEN": "s3cr3t-value", "EMPTY": "", "ODD": 'a"b\\ and é'}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "api").write_text("from-a-file\n")
    (tmp_path / "link").symlink_to("keys/api")
    (tmp_path / "windows").write_bytes(b"value\r\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_bytes(b"x" * (MOST_BYTES + 1))
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        pytest.param("env:TOKEN", "s3cr3t-value", id="a variable"),
        pytest.param("env:EMPTY", "", id="an empty variable is there"),
        pytest.param("file:keys/api", "from-a-file", id="relative to the plugin folder, without the line's end"),
        pytest.param("file:link", "from-a-file", id="a link"),
        pytest.param("file:windows", "value", id="a line's end of two bytes"),
        pytest.param("literal:env:TOKEN", "env:TOKEN", id="a text that only looks so"),
        pytest.param("literal:file:keys/api", "file:keys/api", id="the same for files"),
        pytest.param("literal:literal:env:TOKEN", "literal:env:TOKEN", id="and for the escape"),
        pytest.param("literal:other", "literal:other", id="no escape where nothing needs one"),
        pytest.param(" env:TOKEN", " env:TOKEN", id="not at the beginning"),
        pytest.param("ENV:TOKEN", "ENV:TOKEN", id="capitals"),
        pytest.param("plain", "plain", id="plain"),
    ],
)
def test_an_argument_stands_for(folder: Path, argument: str, expected: str) -> None:
    resolved = Secrets(ENVIRON, folder).resolve({"a": argument, "b": "file:keys/api"})
    assert resolved is not None
    assert resolved.args == {"a": expected, "b": "from-a-file"}


def test_an_absolute_path_is_taken_as_it_is(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "key"
    elsewhere.write_text("there")
    resolved = Secrets({}, folder).resolve({"a": f"file:{elsewhere}"})
    assert resolved is not None
    assert resolved.args == {"a": "there"}


@pytest.mark.parametrize("args", [None, {}, {"a": "plain", "b": "s3://env:x"}])
def test_without_references_nothing_is_done(args: dict[str, str] | None) -> None:
    assert Secrets(ENVIRON, None).resolve(args) is None


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("env:MISSING", "argument 'a' is env:MISSING: the server was started without the variable 'MISSING'"),
        ("env:", "argument 'a' is env:: "),
        ("file:keys/none", "file:keys/none, which cannot be read: No such file or directory"),
        ("file:keys", "it is not a regular file"),
        ("file:", "it is not a regular file"),
        ("file:pipe", "it is not a regular file"),
        ("file:binary", "it does not hold text in UTF-8"),
        ("file:large", f"it holds more than {MOST_BYTES} bytes"),
        ("file:a\x00b", "embedded null byte"),
        ("file:" + "x" * 5_000, "File name too long"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(folder: Path, argument: str, words: str) -> None:
    secrets = Secrets(ENVIRON, folder)
    with pytest.raises(SecretMissing) as missing:
        secrets.resolve({"a": argument})
    assert words in str(missing.value)
    assert [
        words in text and text.endswith("runs fail until it is there") for text in secrets.problems({"a": argument})
    ] == [True]


def test_a_file_is_read_anew(folder: Path) -> None:
    secrets = Secrets(ENVIRON, folder)
    before = secrets.resolve({"a": "file:keys/api"})
    (folder / "keys" / "api").write_text("changed")
    after = secrets.resolve({"a": "file:keys/api"})
    assert before is not None
    assert after is not None
    assert (before.args["a"], after.args["a"]) == ("from-a-file", "changed")
    assert secrets.hide("from-a-file, changed") == "from-a-file, ***"


@pytest.mark.parametrize(
    ("secret", "text", "expected"),
    [
        pytest.param("hunter2", "password is hunter2!", "password is ***!", id="in a text"),
        pytest.param("abc", "abc", "abc", id="too short to be told from other texts"),
        pytest.param("", "x", "x", id="empty"),
        pytest.param('a"b\\c', '{"k": "a\\"b\\\\c"}', '{"k": "***"}', id="in JSON"),
        pytest.param("it's\n", repr("it's\n"), '"***"', id="as Python writes it"),
        pytest.param("a b/c?d", "http://h/?t=a%20b%2Fc%3Fd", "http://h/?t=***", id="in an address"),
        pytest.param("a b/c?d", "t=a+b%2Fc%3Fd", "t=***", id="in a form"),
        pytest.param("grün", '"gr\\u00fcn"', '"***"', id="JSON in ASCII"),
        pytest.param(
            "-----BEGIN-----\nMIIEvQIBADANBgkqhkiG9w0\nxyz", "line MIIEvQIBADANBgkqhkiG9w0", "line ***", id="a line"
        ),
    ],
)
def test_a_secret_is_masked(secret: str, text: str, expected: str) -> None:
    assert mask_for([secret])(text) == expected


def test_of_two_secrets_of_which_one_holds_the_other_nothing_is_left() -> None:
    assert mask_for(["token", "token-extended"])("token-extended token") == "*** ***"


@given(st.text(st.characters(codec="utf-8"), min_size=4), st.text(), st.text())
def test_what_is_masked_does_not_hold_the_secret(secret: str, before: str, after: str) -> None:
    if "*" not in secret:
        assert secret not in mask_for([secret])(before + secret + after) or secret in before + "***" + after


class TestExecutor:
    """The executor that gives values to plugins and takes them out of what comes back."""

    def test_the_plugin_gets_the_value_and_no_text_shows_it(self, folder: Path) -> None:
        inner, database, ends = ScriptedExecutor(), FakeDatabase(), Ends()
        run = plugin_run(plugin_file(folder, ""), args={"token": "env:TOKEN", "n": "1"})
        future = ends.expect(run)
        SecretExecutor(inner, Secrets(ENVIRON, folder)).run(run, RunLimits("o"), database, ends)
        begun = inner.next()
        assert begun.run.args == {"token": "s3cr3t-value", "n": "1"}
        begun.services.log("INFO", "token is s3cr3t-value")
        begun.end(Done(run.run_id, RunError("call", "KeyError: 's3cr3t-value'", "Traceback … s3cr3t-value")))
        assert future.result(WAIT_S).error == RunError("call", "KeyError: '***'", "Traceback … ***")
        assert database.logs == ["INFO: token is ***"]

    def test_what_the_plugin_writes_is_its_own(self, folder: Path) -> None:
        inner, ends = ScriptedExecutor(), Ends()
        run = plugin_run(plugin_file(folder, ""), args={"token": "env:TOKEN"})
        future = ends.expect(run)
        SecretExecutor(inner, Secrets(ENVIRON, folder)).run(run, RunLimits("o"), FakeDatabase(), ends)
        inner.next().succeed('t v="s3cr3t-value"')
        assert future.result(WAIT_S).writes == [(None, 't v="s3cr3t-value"')]

    def test_a_run_without_its_secret_fails_and_is_not_started(self, folder: Path) -> None:
        inner, ends = ScriptedExecutor(), Ends()
        run = plugin_run(plugin_file(folder, ""), args={"token": "env:NONE"})
        future = ends.expect(run)
        SecretExecutor(inner, Secrets(ENVIRON, folder)).run(run, RunLimits("o"), FakeDatabase(), ends)
        error = future.result(WAIT_S).error
        assert error is not None
        assert error.text == "argument 'token' is env:NONE: the server was started without the variable 'NONE'"
        assert inner.started == []
