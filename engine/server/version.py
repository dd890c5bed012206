"""Which program this is."""

import uuid
from functools import cache
from pathlib import Path

PRODUCT = "InfluxDB 3 Core"
BUILD = "Core"

_DISTRIBUTION = "influxdb3-local"
_SHORT = 10
_UNKNOWN = "0" * _SHORT


@cache
def product_version() -> str:
    """Return the version of the installed distribution."""
    from importlib.metadata import version  # here: start-up time

    return version(_DISTRIBUTION)


@cache
def process_id() -> str:
    """Return a UUID that is this process's own."""
    return str(uuid.uuid4())


@cache
def revision() -> str:
    """Return the short hash of the commit of a checkout; an installed package does not know its own: zeros."""
    return commit_of(Path(__file__).parents[2] / ".git")[:_SHORT] or _UNKNOWN


def commit_of(git: Path) -> str:
    """Return the hash of the commit that is checked out, by the folder ``git``; empty where there is none."""
    head = git / "HEAD"
    if not head.is_file():
        return ""
    text = head.read_text().strip()
    name = text.removeprefix("ref: ")
    if name == text:
        return text  # no branch is checked out
    loose, packed = git / name, git / "packed-refs"
    if loose.is_file():
        return loose.read_text().strip()
    lines = packed.read_text().splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")
