"""The other documents that the project fulfils: their commands switch the Processing engine off, run as they are written.

Two of the five hold no code. Put in are the folders (``/etc/influxdb3``, ``/var/lib/influxdb3``) and the name of the product
where a document leaves it open. What the commands need that is not ours, and what stands for it here:

- ``docker run``: the entrypoint of the image in this machine's shell, with the variables of the image;
- ``sudo``: what follows it;
- ``nano``: what its reader is told to do with the line ``plugin-dir``;
- ``systemctl restart``: the command of the unit, after the one that runs has ended.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from engine.settings import Settings
from tests.support.processes import until
from tests.support.seeds import DOCUMENTS, GUIDE, code_blocks, kept_blocks, original
from tests.support.serving import PROGRAM, Launch, clean_environment, launch

pytestmark = pytest.mark.process

PACKAGING = Path(__file__).parents[2] / "packaging"
OTHERS = [document for document in DOCUMENTS if document != GUIDE]
CONTAINERS = [
    pytest.param(document, block.text, id=f"{document}-{block.number}")
    for document in OTHERS
    for block in kept_blocks(document)
    if block.text.startswith("docker")
]
SERVICES = [document for document in OTHERS if any("systemctl" in block.text for block in kept_blocks(document))]

DOCKER = """#!{python}
import os, sys
words = sys.argv[2:]
entrypoint, variables = ["sh", "{packaging}/docker/entrypoint.sh"], {image}
while words[0].startswith("-"):
    option, value = words.pop(0), words.pop(0)
    if option == "--entrypoint":
        entrypoint = [value]
    else:
        name, _, text = value.partition("=")
        variables[name] = text
words.pop(0)
os.environ.update(variables | {here})
os.execvp(entrypoint[0], entrypoint + words)
"""
SUDO = '#!/bin/sh\nexec "$@"\n'
NANO = "#!/bin/sh\nexec sed -i 's/^plugin-dir=/# plugin-dir=/' \"$1\"\n"
SYSTEMCTL = """#!/bin/sh
[ "$*" = "restart influxdb3-core" ] || exit 5
kill -TERM "$(cat {folder}/pid)"
while kill -0 "$(cat {folder}/pid)" 2>/dev/null; do sleep 0.02; done
rm -f {folder}/address
{command} > {folder}/second.log 2>&1 &
echo $! > {folder}/pid
"""


@dataclass(frozen=True)
class Site:
    """A folder that stands for a machine, with the commands that it has."""

    folder: Path

    def environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:{PROGRAM.parent}:{os.environ['PATH']}"
        return clean_environment(self.folder) | {"PATH": path} | self.here

    @property
    def here(self) -> dict[str, str]:
        """What keeps a server on this machine, and tells where it listens."""
        return {
            "INFLUXDB3_HTTP_BIND_ADDR": "127.0.0.1:0",
            "INFLUXDB3_TCP_LISTENER_FILE_PATH": str(self.folder / "address"),
            "INFLUXDB3_WITHOUT_AUTH": "true",
        }

    def program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def moved(self, text: str) -> str:
        """Return a text of the documents with the folders of this site."""
        text = text.replace("{{< product-key >}}", "core")
        return re.sub(r"/(etc|var/lib)/influxdb3", rf"{self.folder}/\1/influxdb3", text)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    for folder in ("bin", "plugins", "etc/influxdb3", "var/lib/influxdb3/plugins"):
        (tmp_path / folder).mkdir(parents=True)
    image = dict(re.findall(r"(INFLUXDB3_\w+)=(\S+)", (PACKAGING / "docker/Dockerfile").read_text()))
    image |= {"INFLUXDB3_PLUGIN_DIR": str(tmp_path / "plugins"), "INFLUXDB3_DATA_DIR": str(tmp_path / "data")}
    site.program("docker", DOCKER.format(python=sys.executable, packaging=PACKAGING, image=image, here=site.here))
    site.program("sudo", SUDO)
    site.program("nano", NANO)
    return site


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_kept_blocks_are_those_of_the_documents(document: str) -> None:
    text = original(document)
    if text is None:
        pytest.skip("the document is not at hand; SEEDS_FOLDER may name its folder")
    assert kept_blocks(document) == code_blocks(text)
    assert len(kept_blocks(document)) * 2 == text.count("```")


def test_all_blocks_are_run() -> None:
    kinds = ("docker run ", "sudo nano ", "sudo systemctl restart ", "# plugin-dir=")
    assert [b for d in OTHERS for b in kept_blocks(d) if not b.text.startswith(kinds)] == []
    assert (len(CONTAINERS), SERVICES) == (3, ["002", "004"])


@pytest.mark.parametrize(("document", "command"), CONTAINERS)
def test_in_a_container(site: Site, document: str, command: str) -> None:
    if shutil.which("envsubst") is None:
        pytest.skip("envsubst is not installed (Debian: apt install gettext-base)")
    launched = launch(site.folder, command=("bash", "-euc", command), environment=site.environment())
    with ended(launched):
        assert is_off(site, launched.listening().url, launched.process.pid)


def test_the_image_has_the_engine_on(site: Site) -> None:
    if shutil.which("envsubst") is None:
        pytest.skip("envsubst is not installed (Debian: apt install gettext-base)")
    command = ("bash", "-euc", "docker run influxdb:3-core")
    launched = launch(site.folder, command=command, environment=site.environment())
    with ended(launched):
        assert not is_off(site, launched.listening().url, launched.process.pid)


@pytest.mark.parametrize("document", SERVICES)
def test_as_a_service(site: Site, document: str) -> None:
    edit, line, restart = [site.moved(block.text) for block in kept_blocks(document)[-3:]]
    file = site.folder / "etc/influxdb3/influxdb3-core.conf"
    file.write_text(site.moved((PACKAGING / file.name).read_text()))
    unit = (PACKAGING / "systemd/influxdb3-core.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    command = site.moved(command).replace("/usr/bin/influxdb3", str(PROGRAM))
    site.program("systemctl", SYSTEMCTL.format(folder=site.folder, command=command))

    launched = launch(site.folder, command=("bash", "-c", f"exec {command}"), environment=site.environment())
    (site.folder / "pid").write_text(str(launched.process.pid))
    with ended(launched):
        assert not is_off(site, launched.listening().url, launched.process.pid)
        subprocess.run(["bash", "-euc", edit], env=site.environment(), check=True)
        assert line.strip() in file.read_text().splitlines()
        assert Settings.load({"config": str(file)}, {}).plugin_dir is None
        # Whoever starts a process has to take note of its end: that is not the shell of `systemctl` here.
        restarting = subprocess.Popen(["bash", "-euc", restart], env=site.environment())
        launched.process.wait()
        restarting.wait()
        pid = int((site.folder / "pid").read_text())
        try:
            until(lambda: (site.folder / "address").exists())
            assert is_off(site, f"http://{(site.folder / 'address').read_text()}", pid)
        finally:
            psutil.Process(pid).terminate()


def is_off(site: Site, url: str, pid: int) -> bool:
    """Return whether plugins are refused for want of a folder; then there is no process for them either."""
    environment: Mapping[str, str] = site.environment() | {"INFLUXDB3_HOST_URL": url}
    asked = ["influxdb3", "test", "wal_plugin", "--database", "home", "--lp", "a b=1", "gone.py"]
    said = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False).stderr
    assert said.startswith("Test command failed: ")
    refused = "No plugin directory configured" in said
    if refused:
        assert psutil.Process(pid).children() == []
    return refused


@contextmanager
def ended(launched: Launch) -> Iterator[None]:
    """End a server at the end of a block."""
    try:
        yield
    finally:
        launched.end()
