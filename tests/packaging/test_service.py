"""The systemd unit and the configuration that comes with it."""

import configparser
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from engine.settings import Settings
from tests.packaging.conftest import PROJECT
from tests.support.serving import PROGRAM, launch

UNIT = PROJECT / "packaging/systemd/influxdb3-core.service"
CONFIGURATION = PROJECT / "packaging/influxdb3-core.conf"


def service() -> dict[str, str]:
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment] # names of systemd keep their case
    parsed.read(UNIT)
    return dict(parsed["Service"])


@pytest.mark.process
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt install systemd)")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/influxdb3", str(PROGRAM)))
    verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("Type", "notify"),
        ("User", "influxdb3"),
        ("ExecStart", "/usr/bin/influxdb3 serve --config /etc/influxdb3/influxdb3-core.conf"),
        ("KillMode", "mixed"),
        ("OOMPolicy", "continue"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
    ],
)
def test_the_unit_is_a_service_of_its_own_user_that_may_little(key: str, expected: str) -> None:
    assert service()[key] == expected


def test_the_unit_waits_longer_than_the_server_takes_to_end() -> None:
    settings = Settings.load({"config": str(CONFIGURATION)}, {})
    assert float(service()["TimeoutStopSec"]) > settings.shutdown_timeout_s


def test_the_configuration_that_comes_with_the_package_is_read() -> None:
    settings = Settings.load({"config": str(CONFIGURATION)}, {})
    assert settings.plugin_dir == Path("/var/lib/influxdb3/plugins")
    assert settings.data_dir == Path("/var/lib/influxdb3/data")
    assert settings.http_bind.is_loopback
    assert not settings.without_auth


def test_each_line_that_is_offered_in_the_configuration_is_one(tmp_path: Path) -> None:
    offered = tmp_path / "offered.conf"
    lines = CONFIGURATION.read_text().splitlines()
    offered.write_text("\n".join(line.removeprefix("# ") if '="' in line else line for line in lines))
    assert Settings.load({"config": str(offered)}, {}).tls_key == Path("/etc/influxdb3/server.key")


def test_the_engine_is_off_when_the_line_is_a_comment(tmp_path: Path) -> None:
    without = tmp_path / "without.conf"
    without.write_text(CONFIGURATION.read_text().replace("plugin-dir=", "# plugin-dir="))
    assert Settings.load({"config": str(without)}, {}).plugin_dir is None


@pytest.mark.process
def test_a_server_tells_systemd_when_it_is_ready_and_when_it_ends(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(30)
        launched = launch(tmp_path / "server", "--without-auth", environment={"NOTIFY_SOCKET": address})
        told: list[str] = []
        try:
            while "READY=1" not in told:
                told += manager.recv(1_000).decode().splitlines()
            assert f"STATUS=listening at {launched.listening().url.removeprefix('http://')}" in told
            launched.process.send_signal(signal.SIGTERM)
            while "STOPPING=1" not in told:
                told += manager.recv(1_000).decode().splitlines()
        finally:
            launched.end()
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in told)
