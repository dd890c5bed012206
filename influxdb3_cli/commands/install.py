"""``influxdb3 install``: packages for the plugins."""

from typing import Annotated, Any

import typer

from influxdb3_cli import output
from influxdb3_cli.options import DEFAULT_HOST, Host, Token, connect
from influxdb3_cli.progress import QUIET, Bar, Work

app = typer.Typer(help="Install Python packages for the plugins.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Install Python packages for the plugins."""


def _without_effect(name: str) -> Any:
    """Return an option that the product's command takes and does not use."""
    return typer.Option(f"--{name}", hidden=True)


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
    plugin_dir: Annotated[str | None, _without_effect("plugin-dir")] = None,
    virtual_env_location: Annotated[str | None, _without_effect("virtual-env-location")] = None,
    package_manager: Annotated[str | None, _without_effect("package-manager")] = None,
    plugin_repo: Annotated[str | None, _without_effect("plugin-repo")] = None,
    restrict_plugin_triggers_to: Annotated[str | None, _without_effect("restrict-plugin-triggers-to")] = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Install packages into the virtual environment of the plugins; their next run can import them."""
    if not packages and requirements is None:
        raise typer.BadParameter("name at least one package, or a file with -r", param_hint="<PACKAGES>...")
    given = {
        "--plugin-dir": plugin_dir,
        "--virtual-env-location": virtual_env_location,
        "--package-manager": package_manager,
        "--plugin-repo": plugin_repo,
        "--restrict-plugin-triggers-to": restrict_plugin_triggers_to,
    }
    unused = ", ".join(option for option, value in given.items() if value is not None)
    if unused:
        output.note(f"warning: {unused} without effect: the server was told these when it was started")
    with connect(host, token) as client:
        lines = (
            client.install_packages(packages or [])
            if requirements is None
            else client.install_requirements(requirements)
        )
        with Bar(Work("Installing")) as bar:
            for line in lines:
                if not QUIET.get():
                    bar.note(line)
