"""What the tests of packages share: the folder of the project, and the wheel and source package built from it."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
UV = (sys.executable, "-m", "uv")


@dataclass(frozen=True)
class Distributions:
    """The packages of Python."""

    wheel: Path
    source: Path


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Build wheel and source package, the wheel from what is in the source package."""
    folder = tmp_path_factory.mktemp("distributions")
    subprocess.run([*UV, "build", "--quiet", "--out-dir", str(folder), str(PROJECT)], check=True)
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    return Distributions(wheel, source)
