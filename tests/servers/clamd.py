"""ClamAV's daemon, from Debian's packages, with signatures of ours: nothing is fetched, and no file here is what it looks for."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import Process, ServerMissingError, free_ports, fresh_folder, program

HOW = "sh tests/servers/install.sh servers"
TOOLS = Path(__file__).parents[2] / ".tools/clamav"
MALWARE = b"what Holdfast's tests " + b"call malware"
"""Whatever holds it is infected with ``SIGNATURE``. In two pieces, so that this file is not."""
SIGNATURE = "Holdfast.Test.Malware"
TEST_FILE = "Holdfast.Test.File"
"""The signature of ClamAV's own test file, ``clam.exe``: 544 bytes that do nothing, packed in many ways."""
MEBIBYTES = 8
"""More is not looked at: neither of a stream, nor of what is found in it."""
SETTINGS = {
    "SelfCheck": "0", "ReadTimeout": "20", "CommandReadTimeout": "5", "MaxThreads": "10", "AlertExceedsMax": "yes",
    **dict.fromkeys(("StreamMaxLength", "MaxFileSize", "MaxScanSize"), f"{MEBIBYTES}M"),
}  # fmt: skip


def samples() -> Path:
    """The folder of ClamAV's test files. Raises ServerMissingError."""
    for folder in (TOOLS / "testfiles", Path("/usr/share/clamav-testfiles")):
        if folder.is_dir():
            return folder
    raise ServerMissingError(f"no test files of ClamAV here: {HOW}")


class Clamd:
    """A running clamd, at `tcp` and at `unix`."""

    def __init__(self, tcp: str, folder: Path, process: Process) -> None:
        self.tcp, self.unix = tcp, f"unix:{folder}/socket"
        self._folder = folder
        self.stop: Callable[[], None] = process.stop

    @classmethod
    def start(cls, conf: str | None = None) -> Clamd:
        """`conf`: its settings instead of ours, but for where it listens and keeps what.

        Raises:
        ServerMissingError: there is no `clamd`.
        ServerFailedError: it did not come up.
        """
        clamd, folder, [port] = program("clamd", HOW, also_in=[TOOLS]), fresh_folder("clamd"), free_ports(1)
        signatures, temporary = folder / "signatures", folder / "temporary"
        for made in (signatures, temporary):
            made.mkdir()
        known = (samples() / "clam.exe").read_bytes()
        (signatures / "local.ndb").write_text(f"{SIGNATURE}:0:*:{MALWARE.hex()}\n")
        (signatures / "local.hdb").write_text(f"{hashlib.md5(known).hexdigest()}:{len(known)}:{TEST_FILE}\n")
        ours = {
            "Foreground": "yes", "PidFile": f"{folder}/pid", "DatabaseDirectory": f"{signatures}", "TCPAddr": "127.0.0.1",
            "TemporaryDirectory": f"{temporary}", "LocalSocket": f"{folder}/socket", "TCPSocket": f"{port}",
        }  # fmt: skip
        given = SETTINGS if conf is None else dict(line.split(" ", 1) for line in conf.splitlines())
        lines = [f"{name} {value}" for name, value in {**given, **ours}.items()]
        (folder / "clamd.conf").write_text("\n".join(lines) + "\n")
        process = Process("clamd", [clamd, f"--config-file={folder}/clamd.conf"], folder)
        process.wait_until(lambda: _answers(port))
        return cls(f"127.0.0.1:{port}", folder, process)

    def pid(self) -> int:
        """Of the daemon itself."""
        return int((self._folder / "pid").read_text())

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """It takes connections, and says nothing."""
        os.kill(self.pid(), signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid(), signal.SIGCONT)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"zPING\0")
            return connection.recv(16) == b"PONG\0"
    except OSError:
        return False
