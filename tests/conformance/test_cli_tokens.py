"""Command line, rows 71 to 82: tokens, on a server that asks for them."""

import json
import stat
from pathlib import Path

import pytest

from tests.conformance.checklist import row
from tests.support.cli import RunCli
from tests.support.stories import Step, Story, server_of, tell, told

LOCKED = {"without_auth": False}
TOKEN = r"^Token: (?P<{}>apiv3_[A-Za-z0-9_-]{{86}})$"
SUCCESS = (
    "\nNew token created successfully!\n\nToken: apiv3_…\nHTTP Requests Header: Authorization: Bearer apiv3_…\n\n"
    "IMPORTANT: Store this token securely, as it will not be shown again."
)
FIRST = Step("create token --admin", SUCCESS, keep=TOKEN.format("token"))
ASKED = "Are you sure you want to regenerate admin token? Enter 'yes' to confirm\n"
RENEW = "create token --admin --regenerate --token {token}"
TAKEN = (
    'Failed to create token, error: ApiError { code: 409, message: "token name already exists, {}", error_code: None }'
)
NAMED = "create token --admin --name foo_admin --token {token}"
SHOW = "show databases --format csv --token {}"
SHOWN = "iox::database\n_internal"
REFUSED = 'Show command failed: server responded with error [401 Unauthorized]: {"error": "the request was not authenticated"}'
KEPT = (
    'The operator token "_admin" is required and cannot be deleted. To regenerate an operator token, use: '
    "influxdb3 create token --admin --regenerate --token [TOKEN]"
)

STORIES = [
    told("CLI row 71", FIRST, Step(SHOW.format("{token}"), SHOWN), settings=LOCKED),
    # A token that is not made ends the command with 1 here (docs/differences.md).
    told("CLI row 72", FIRST, Step("create token --admin", TAKEN.replace("{}", "_admin"), code=1), settings=LOCKED),
    told(
        "CLI row 73",
        Step(
            "create token --admin --format json",
            '{\n  "help_msg": "Store this token securely, as it will not be shown again. HTTP requests require the following '
            'header: \\"Authorization: Bearer apiv3_…\\"",\n  "token": "apiv3_…"\n}',
        ),
        settings=LOCKED,
    ),
    told(
        "CLI row 74",
        FIRST,
        Step(RENEW, ASKED + SUCCESS, stdin="yes\n", keep=TOKEN.format("new")),
        Step(SHOW.format("{token}"), "", REFUSED, 1),
        Step(SHOW.format("{new}"), SHOWN),
        settings=LOCKED,
    ),
    told(
        "CLI row 75",
        FIRST,
        Step(
            RENEW,
            f'{ASKED}Failed to create token, error: "Cannot regenerate token without confirmation"',
            code=1,
            stdin="no\n",
        ),
        Step(SHOW.format("{token}"), SHOWN),
        settings=LOCKED,
    ),
    told(
        "CLI row 76",
        Step("create token --admin", '…code: 405, message: "endpoint disabled, started without auth"…', code=1),
    ),
    told(
        "CLI row 77",
        FIRST,
        Step(NAMED, SUCCESS, keep=TOKEN.format("named")),
        Step(NAMED, TAKEN.replace("{}", "foo_admin"), code=1),
        Step(SHOW.format("{named}"), SHOWN),
        settings=LOCKED,
    ),
    told(
        "CLI row 78",
        Step(
            "create token --admin --name x --regenerate --token T",
            "",
            "…--regenerate cannot be used with --name, --regenerate only applies for operator token",
            2,
        ),
        settings=LOCKED,
    ),
    told("CLI row 79", FIRST, Step("delete token --token-name _admin --token {token}", KEPT), settings=LOCKED),
    told(
        "CLI row 80",
        FIRST,
        Step("create token --admin --name to_delete --token {token}", SUCCESS, keep=TOKEN.format("named")),
        Step("delete token --token-name to_delete --token {token} --yes", 'Token "to_delete" deleted successfully'),
        Step(SHOW.format("{named}"), "", REFUSED, 1),
        settings=LOCKED,
    ),
]


@pytest.mark.parametrize("story", STORIES)
def test_tokens(story: Story, cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server_of(story, tmp_path / "server") as (_, url):
        monkeypatch.setenv("INFLUXDB3_HOST_URL", url)
        tell(story, cli, tmp_path, monkeypatch)


@row("CLI row 81", "CLI row 82")
def test_a_token_is_made_before_its_server(cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Step(
        "create token --admin --offline --output-file t.json",
        f"Token saved to: t.json\n{SUCCESS}",
        keep=TOKEN.format("token"),
    )
    tell(Story((made,)), cli, tmp_path, monkeypatch)
    file = tmp_path / "t.json"
    saved = json.loads(file.read_text())
    assert (list(saved), saved["name"]) == (["token", "name"], "_admin")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = Step(f"show tokens --token {saved['token']}", "…_admin…")
    story = Story((shown,), LOCKED | {"admin_token_file": file})
    with server_of(story, tmp_path / "server") as (_, url):
        monkeypatch.setenv("INFLUXDB3_HOST_URL", url)
        tell(story, cli, tmp_path, monkeypatch)
