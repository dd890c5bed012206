"""What ``influxdb3 --version`` tells."""

from pathlib import Path

DISTRIBUTION = "influxdb3-local"
_UNKNOWN_REVISION = "0" * 40


def version_line() -> str:
    """Return name, version and revision, as scripts know the line."""
    from importlib.metadata import version  # here: start-up time of every other command

    return f"influxdb3 InfluxDB 3 Core, {version(DISTRIBUTION)}, revision {_revision(Path(__file__).parent.parent)}"


def _revision(checkout: Path) -> str:
    """Return the commit of a checkout; an installed package does not know its own: 40 zeros."""
    if not (checkout / ".git").exists():
        return _UNKNOWN_REVISION
    import subprocess

    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return _UNKNOWN_REVISION
