"""The program as a user runs it: a process of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOLDFAST = Path(sysconfig.get_path("scripts")) / "holdfast"


@dataclass
class Program:
    """`home` is where credentials go; `cwd` where it is run. Nothing of the test run's own settings reaches it."""

    home: Path
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str | Path, says: str | None = None, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run it to its end with `says` on standard input. Fails unless it ends with `code`."""
        ended = subprocess.run(
            [HOLDFAST, *map(str, arguments)],
            check=False,
            input=says or "",
            capture_output=True,
            text=True,
            cwd=self.cwd,
            env=self.variables(),
        )
        assert ended.returncode == code, f"holdfast {' '.join(map(str, arguments))} ended with {ended.returncode}:\n{ended.stderr}"
        assert "Traceback" not in ended.stderr
        return ended

    def json(self, *arguments: str | Path, says: str | None = None) -> Any:
        """What it answers with `-o json`."""
        return json.loads(self(*arguments, "-o", "json", says=says).stdout)

    def variables(self) -> dict[str, str]:
        """The environment it runs in."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "XDG_"))}
        return {**clean, "HOME": str(self.home), **self.environment}
