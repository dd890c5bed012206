"""Command line, rows 1 to 8, 83 and 86 to 88: what needs no server, and the server itself."""

import subprocess
from pathlib import Path

import pytest

from tests.conformance.checklist import row
from tests.support.cli import RunCli
from tests.support.serving import PROGRAM, Launch, clean_environment, launch
from tests.support.stories import Step, Story, tell, told

NOBODY = "http://127.0.0.1:9"

STORIES = [
    told("CLI row 1", Step("--version", "influxdb3 InfluxDB 3 Core, …, revision …")),
    told("CLI row 1 short", Step("-V", "influxdb3 InfluxDB 3 Core, …, revision …")),
    # The texts of the parser are Typer's (architecture §8.7); code and named value hold.
    told("CLI row 2", Step("help", "", "…No such command 'help'…", 2)),
    told("CLI row 3", Step("querry", "", "…No such command 'querry'. Did you mean 'query'…", 2)),  # codespell:ignore
    told("CLI row 4", Step("create", "", "…Usage: influxdb3 create …\n  database …\n  trigger …\n  token …", 2)),
    told(
        "CLI row 5",
        Step("create token", "", "…Missing required subcommand. Use: influxdb3 create token --admin [OPTIONS]…", 2),
    ),
    told("CLI row 6", Step("create token --name test", "", "…Missing required subcommand…--admin…", 2)),
    told(
        "CLI row 7",
        Step("create token --help", "Create a new auth token…Usage: influxdb3 create token …--admin…"),
        Step("create token --help-all", "Create a new auth token…Usage: influxdb3 create token …--admin…"),
        Step("create token -h", "Create a new auth token…Usage: influxdb3 create token …--admin…"),
    ),
    # The help of the command itself here, where the product shows that of the root.
    told("CLI row 8", Step("update database --help", "…Usage: influxdb3 update database …--retention-period…")),
    told(
        "CLI row 83",
        Step(
            f"show databases --host {NOBODY}",
            "",
            f"Show command failed: failed to send GET {NOBODY}/api/v3/configure/database request: client error (Connect)",
            1,
        ),
    ),
    *(
        told(
            f"CLI row 87 {value}",
            Step(
                f"show databases --host {NOBODY}",
                "",
                f"…'{value}'…true…false…",
                2,
                environment={"INFLUXDB3_TLS_NO_VERIFY": value},
            ),
        )
        for value in ("1", "yes", "TRUE", "on")
    ),
    *(
        told(
            f"CLI row 87 {value} is a value",
            Step(
                f"show databases --host {NOBODY}",
                "",
                "Show command failed: …client error (Connect)",
                1,
                environment={"INFLUXDB3_TLS_NO_VERIFY": value},
            ),
        )
        for value in ("true", "false")
    ),
]


@pytest.mark.parametrize("story", STORIES)
def test_the_root(story: Story, cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(story, cli, tmp_path, monkeypatch)


@pytest.mark.process
@row("CLI row 1", "CLI row 83")
def test_the_program_itself_answers(tmp_path: Path) -> None:
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert version.stdout.startswith("influxdb3 InfluxDB 3 Core, ")
    lost = subprocess.run(
        [PROGRAM, "show", "databases", "--host", NOBODY], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (lost.returncode, lost.stdout) == (1, "")
    assert lost.stderr.startswith("Show command failed: failed to send GET")


@pytest.mark.process
@row("CLI row 86")
def test_a_server_needs_no_option(tmp_path: Path) -> None:
    """The product asks for a node id; here every option has a default (docs/differences.md), the node is ``node0``."""
    address = tmp_path / "address"
    environment = {"INFLUXDB3_HTTP_BIND_ADDR": "127.0.0.1:0", "INFLUXDB3_TCP_LISTENER_FILE_PATH": str(address)}
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PROGRAM, "serve"],
            stdout=output,
            stderr=output,
            cwd=tmp_path,
            env=clean_environment(tmp_path) | environment,
        )
    try:
        Launch(process, address, log).listening()
        assert (tmp_path / ".influxdb" / "node0" / "catalog.toml").exists()
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.process
@row("CLI row 88")
def test_the_log_tells_of_telemetry_if_asked_for_more(tmp_path: Path) -> None:
    """There is no telemetry here; scripts may say so, and look for the line."""
    options = ("--node-id", "n", "--object-store", "memory", "--disable-telemetry-upload", "--without-auth")
    said = {}
    for verbosity in ("-v", "-vv"):
        launched = launch(tmp_path / verbosity, *options, verbosity)
        launched.listening()
        launched.end()
        assert launched.process.returncode == 0
        said[verbosity] = "Initializing TelemetryStore with upload disabled." in launched.log.read_text()
    assert said == {"-v": False, "-vv": True}
