"""``influxdb3 enable``: start triggers."""

import typer

from influxdb3_cli import output
from influxdb3_cli.options import DEFAULT_HOST, Database, Host, Token, TriggerName, connect

app = typer.Typer(help="Start a trigger.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Start a trigger."""


@app.command("trigger")
def enable_trigger(name: TriggerName, database: Database, host: Host = DEFAULT_HOST, token: Token = None) -> None:
    """Start a trigger; data written from now on reaches its plugin."""
    with connect(host, token) as client:
        client.enable_trigger(database, name)
    output.line(f"Trigger {name} enabled successfully")
