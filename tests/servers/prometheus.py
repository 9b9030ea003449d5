"""Prometheus' own programs, from Debian's packages: `promtool`, which checks and tests rules, and the exporter beside MySQL."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.servers.database import DatabaseServer
from tests.servers.process import Process, answers, free_ports, fresh_folder, program

HOW = "sh tests/servers/install.sh servers"
TOOLS = Path(__file__).parents[2] / ".tools"


class Promtool:
    """The program; there is nothing to stop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def start(cls) -> Promtool:
        """Raises ServerMissingError: there is no `promtool`."""
        return cls(program("promtool", HOW, also_in=[TOOLS]))

    def __call__(self, *arguments: str | Path, cwd: Path) -> str:
        """What it prints; it must succeed."""
        ended = self.asked(*arguments, cwd=cwd)
        assert ended.returncode == 0, f"promtool {' '.join(map(str, arguments))}:\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def asked(self, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self._path, *arguments], check=False, capture_output=True, text=True, cwd=cwd)

    def stop(self) -> None: ...


class MysqldExporter:
    """The exporter at a server; `metrics` is where it answers."""

    def __init__(self, metrics: str, stop: Callable[[], None]) -> None:
        self.metrics = metrics
        self.stop = stop

    @classmethod
    def start(cls, server: DatabaseServer) -> MysqldExporter:
        """Raises:
        ServerMissingError: there is no `prometheus-mysqld-exporter`.
        ServerFailedError: it did not come up.
        """
        exporter, folder, [port] = (
            program("prometheus-mysqld-exporter", HOW, also_in=[TOOLS]),
            fresh_folder("exporter"),
            free_ports(1),
        )
        a = server.address
        source = f"{a.username}:{a.password}@({a.host}:{a.port})/"
        process = Process(
            "mysqld-exporter",
            [exporter, f"--web.listen-address=127.0.0.1:{port}"],
            folder,
            environment={"DATA_SOURCE_NAME": source},
        )
        running = cls(f"http://127.0.0.1:{port}/metrics", process.stop)
        process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/metrics"))
        return running
