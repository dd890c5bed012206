"""``influxdb3 disable``: stop triggers."""

import typer

from influxdb3_cli import output
from influxdb3_cli.options import DEFAULT_HOST, Database, Host, Token, TriggerName, connect

app = typer.Typer(help="Stop a trigger.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Stop a trigger."""


@app.command("trigger")
def disable_trigger(name: TriggerName, database: Database, host: Host = DEFAULT_HOST, token: Token = None) -> None:
    """Stop a trigger; data written from now on does not reach its plugin."""
    with connect(host, token) as client:
        client.disable_trigger(database, name)
    output.line(f"Trigger {name} disabled successfully")
