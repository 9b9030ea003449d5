"""A test run within a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def inner(folder: Path, conftest: str, tests: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What became of ``tests``, a file of its own in ``folder``, under ``conftest``. Both may import from this project."""
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_inner.py").write_text(tests)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pytest_timeout", "-p", "xdist.plugin", *options, "test_inner.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
