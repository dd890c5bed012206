"""The Debian package: built, unpacked into an empty folder, and started from there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.packaging.conftest import PROJECT, Distributions
from tests.support.serving import launch

FOLDER = PROJECT / "packaging/debian"


@pytest.mark.process
@pytest.mark.parametrize("script", ["build.sh", "postinst", "prerm", "postrm"])
def test_scripts_are_scripts(script: str) -> None:
    subprocess.run(["sh", "-n", str(FOLDER / script)], check=True)
    assert os.access(FOLDER / script, os.X_OK)


@pytest.mark.long
@pytest.mark.process
def test_the_package_is_installed_and_its_server_answers(distributions: Distributions, tmp_path: Path) -> None:
    if shutil.which("dpkg-deb") is None or not Path("/usr/bin/python3").exists():
        pytest.skip("dpkg-deb or /usr/bin/python3 is not there: this is no Debian")
    uv = f"{sys.executable} -m uv"
    subprocess.run(
        [str(FOLDER / "build.sh"), str(distributions.wheel), str(tmp_path)], env=os.environ | {"UV": uv}, check=True
    )
    (package,) = tmp_path.glob("*.deb")
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
    library = root / "usr/lib/influxdb3"
    assert all(path.name.startswith("python") for path in (library / "bin").iterdir())
    command = (str(library / "bin/python"), "-P", str(root / "usr/bin/influxdb3"), "serve")
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    launched = launch(tmp_path / "server", "--without-auth", "--plugin-dir", str(plugins), command=command)
    try:
        url = launched.listening().url
        httpx.post(f"{url}/api/v3/write_lp", params={"db": "home"}, content="room temp=21.5 1").raise_for_status()
        answer = httpx.get(f"{url}/api/v3/query_sql", params={"db": "home", "q": "SELECT temp FROM room"})
        assert answer.json() == [{"temp": 21.5}]
    finally:
        launched.end()


@pytest.mark.process
def test_the_package_takes_the_place_of_the_product() -> None:
    control = (FOLDER / "control").read_text()
    for field in ("Provides", "Conflicts", "Replaces"):
        assert f"{field}: influxdb3-core\n" in control
    assert (FOLDER / "conffiles").read_text() == "/etc/influxdb3/influxdb3-core.conf\n"
