"""MariaDB, from Debian's package (10.11 on Debian 12) or any other that has `mariadbd`."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

from tests.servers.database import DatabaseServer, address
from tests.servers.process import Process, ServerFailedError, free_ports, fresh_folder, program

HOW = "install MariaDB (Debian: apt-get install mariadb-server-core; sh tests/servers/install.sh does it for root)"


class MariaDB(DatabaseServer):
    """A MariaDB with the durability it has by default, and buffers of a size for tests."""

    @classmethod
    def start(cls, buffer_pool: str = "64M", log: str = "64M") -> MariaDB:
        """Start on a fresh data folder, in one to two seconds. `buffer_pool` and `log`: InnoDB's sizes.

        Raises:
            ServerMissingError: there is no `mariadbd`.
            ServerFailedError: it did not come up.
        """
        mariadbd, install = program("mariadbd", HOW), program("mariadb-install-db", HOW)
        folder = fresh_folder("mariadb")
        user = ["--user=root"] if os.getuid() == 0 else []  # it refuses to run as root unless told so; the folder is ours
        (folder / "tmp").mkdir()
        apart = f"--tmpdir={folder}/tmp"  # a server that starts removes whatever temporary tables are there, also other servers'
        made = subprocess.run(
            [install, "--no-defaults", f"--datadir={folder}/data", "--skip-test-db", "--skip-name-resolve", apart, *user],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServerFailedError(f"mariadb-install-db:\n{made.stdout}{made.stderr}")
        password, [port] = secrets.token_hex(8), free_ports(1)
        first = folder / "first.sql"  # one statement a line, as --init-file wants them
        user_name = "holdfast@'127.0.0.1'"
        first.write_text(
            f"CREATE USER {user_name} IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO {user_name} WITH GRANT OPTION;\n"
        )
        command: list[str | Path] = [
            mariadbd, "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/socket", f"--pid-file={folder}/pid",
            f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve", f"--init-file={first}", "--max-connections=300",
            "--character-set-server=utf8mb4", f"--innodb-buffer-pool-size={buffer_pool}", f"--innodb-log-file-size={log}",
            apart, *user,
        ]  # fmt: skip
        process = Process("mariadbd", command, folder)
        server = cls(address("holdfast", password, port), process.stop)
        process.wait_until(server.answers)
        return server
