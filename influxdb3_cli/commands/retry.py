"""``influxdb3 retry``: do again what was given up."""

from typing import Annotated, Any

import typer

from influxdb3_cli import completion, output
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.options import (
    DEFAULT_HOST,
    AllLetters,
    Database,
    Host,
    LetterIds,
    Token,
    chosen_letters,
    connect,
)

app = typer.Typer(help="Run dead letters again.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Run dead letters again."""


@app.command("dead_letters")
def retry_dead_letters(
    database: Database,
    trigger: Annotated[
        str,
        typer.Option(
            "--trigger",
            "-t",
            metavar="NAME",
            help="Their trigger.",
            show_default=False,
            autocompletion=completion.triggers,
        ),
    ],
    ids: LetterIds = None,
    is_all: AllLetters = False,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Run dead letters of a trigger again, by its plugin as it is now; one that passes is gone."""
    chosen = chosen_letters(ids, is_all)
    with connect(host, token) as client:
        results = client.retry_dead_letters(database, trigger, chosen)
    for result in results:
        output.line(_told(result))
    failed = sum(result["state"] == "failed" for result in results)
    if failed:
        raise CommandFailed(f"{failed} of {len(results)} dead letters failed again and stay as they are")
    output.line(f"{len(results)} dead letter{'' if len(results) == 1 else 's'} retried successfully")


def _told(result: dict[str, Any]) -> str:
    if result["state"] == "failed":
        return f"{result['id']} failed: {result['error']}"
    left = result.get("new_letters", 0)
    rest = f"; rows that still fail are dead letters of their own: {left}" if left else ""
    return f"{result['id']} passed{rest}"
