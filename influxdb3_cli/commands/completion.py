"""``influxdb3 completion``: what makes a shell complete commands, options and names."""

from enum import StrEnum
from typing import Annotated

import typer

from influxdb3_cli import output
from influxdb3_cli.completion import script_for


class Shell(StrEnum):
    """The shells that can."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Shell to make it for.", show_default=False)]) -> None:
    """Print what makes a shell complete commands and names.

    \b
    bash, in ~/.bashrc:                 eval "$(influxdb3 completion bash)"
    zsh, in ~/.zshrc, after compinit:   eval "$(influxdb3 completion zsh)"
    fish:  influxdb3 completion fish > ~/.config/fish/completions/influxdb3.fish

    Names of databases, tables, triggers and tokens come from the server that --host or INFLUXDB3_HOST_URL names, with the
    token of --token or INFLUXDB3_AUTH_TOKEN; if it does not answer within a second there are none.
    """  # noqa: D301 - the mark is Click's: these lines stay as they are
    output.line(script_for(shell))
