"""``influxdb3 install``: packages for the plugins."""

from typing import Annotated

import typer

from influxdb3_cli import output
from influxdb3_cli.options import DEFAULT_HOST, Host, Token, connect

app = typer.Typer(help="Install Python packages for the plugins.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Install Python packages for the plugins."""


@app.command("package")
def install_package(
    packages: Annotated[
        list[str] | None,
        typer.Argument(metavar="PACKAGES", help="Packages as pip names them: pandas, requests==2.32.0."),
    ] = None,
    requirements: Annotated[
        str | None,
        typer.Option("--requirements", "-r", metavar="FILE", help="A requirements file, read by the server instead."),
    ] = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Install packages into the virtual environment of the plugins; their next run can import them."""
    if not packages and requirements is None:
        raise typer.BadParameter("name at least one package, or a file with -r", param_hint="<PACKAGES>...")
    with connect(host, token) as client:
        lines = (
            client.install_packages(packages or [])
            if requirements is None
            else client.install_requirements(requirements)
        )
        for line in lines:
            output.note(line)
