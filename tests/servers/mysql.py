"""MySQL 9.7, the version that the chart deploys, out of an image: Debian 12 has no package of it.

The image comes from the folder of shared tools beside the repository, where there is one, else from Docker. `HOLDFAST_TEST_MYSQL`
names a server that already runs: `mysql+pymysql://user:password@host:port`, with a user who may create databases and users.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import make_url

from tests.servers.database import DatabaseServer, address
from tests.servers.process import Process, ServerMissingError, free_ports, fresh_folder

IMAGE = "mysql:9.7"
HOW = (
    f"start Docker and `docker pull {IMAGE}`, or set HOLDFAST_TEST_MYSQL=mysql+pymysql://user:password@host:port; "
    "where ../shared/cluster is, `sh tests/servers/install.sh` makes the image"
)
CLUSTER = Path(os.environ.get("HOLDFAST_TEST_CLUSTER") or Path(__file__).parents[3] / "shared/cluster/cluster")


class MySQL(DatabaseServer):
    """A MySQL 9.7 with its own defaults for durability, and buffers of a size for tests."""

    @classmethod
    def start(cls) -> MySQL:
        """Start on a fresh data folder, in about four seconds once the image is there.

        Raises:
            ServerMissingError: there is neither an address nor anything that can run the image.
            ServerFailedError: it did not come up.
        """
        if running := os.environ.get("HOLDFAST_TEST_MYSQL"):
            return cls(make_url(running))
        folder, password, [port] = fresh_folder("mysql"), secrets.token_hex(8), free_ports(1)
        command = [
            *image_runner(folder), IMAGE, "env", f"MYSQL_ROOT_PASSWORD={password}",
            "docker-entrypoint.sh", "mysqld", f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve",
            "--max-connections=300", "--performance-schema=OFF", "--innodb-buffer-pool-size=64M",
            "--innodb-redo-log-capacity=64M",
        ]  # fmt: skip
        process = Process("mysqld", command, folder)
        server = cls(address("root", password, port), process.stop)
        process.wait_until(server.answers, 120)
        return server


def image_runner(folder: Path) -> list[str]:
    """What runs an image in the foreground on this machine's network, once `IMAGE COMMAND ...` is added. Its volumes go with it, or
    with `folder`."""
    if CLUSTER.exists() and succeeds("buildah", "images", "-q", IMAGE):
        (folder / "data").mkdir()
        return [str(CLUSTER), "run", "-v", f"{folder}/data:/var/lib/mysql"]
    if succeeds("docker", "image", "inspect", IMAGE):
        # The guard kills docker's client, which leaves the container to the shell.
        return [
            "sh",
            "-c",
            'docker run --rm --network=host --name "$0" "$@"; docker rm -f -v "$0"',
            f"holdfast-mysql-{secrets.token_hex(4)}",
        ]
    raise ServerMissingError(f"no MySQL here: {HOW}")


def succeeds(*command: str) -> bool:
    return shutil.which(command[0]) is not None and subprocess.run(command, check=False, capture_output=True).returncode == 0
