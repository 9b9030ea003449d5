"""Packages of npm, as a lock file has them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.servers.process import ServerMissingError
from tests.servers.required import missing


def install(folder: Path) -> None:
    """Brings what the lock file in `folder` says, unless it is there; what a missing npm means for the test, `missing` says."""
    with missing():
        if not shutil.which("npm"):
            raise ServerMissingError("no npm here: install Node.js 20 or newer")
        lock, brought = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
        if not brought.exists() or brought.stat().st_mtime < lock.stat().st_mtime:
            subprocess.run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True)
