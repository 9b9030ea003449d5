"""The script of the console's page is what its sources and its lock file make."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.servers import npm

ROOT = Path(__file__).parents[2]
CONSOLE, STATIC = ROOT / "console", ROOT / "functions/endpoints/console/static"
pytestmark = pytest.mark.xdist_group("console")


@pytest.fixture
def packages() -> None:
    npm.install(CONSOLE)


@pytest.mark.usefixtures("packages")
def test_the_committed_script_is_what_is_built(tmp_path: Path) -> None:
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=CONSOLE, check=True)
    for built in tmp_path.iterdir():
        assert built.read_bytes() == (STATIC / built.name).read_bytes(), (
            f"`npm ci && npm run build` in console/ makes another {built.name}"
        )
    assert {path.name for path in tmp_path.iterdir()} == {"upload.js", "licenses.txt"}


@pytest.mark.usefixtures("packages")
def test_its_types_hold() -> None:
    checked = subprocess.run(["npm", "run", "--silent", "check"], cwd=CONSOLE, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
