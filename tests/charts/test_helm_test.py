"""What `helm test` runs, at a real server, for each way to register."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.charts.rendering import containers, of_kind, render
from tests.cli.program import HOLDFAST
from tests.servers.process import free_ports, serving


def run(registration: str, url: str, data: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """The script of the test's pod, with a folder of its own in place of /tmp. `data`: of the server, whose database gets an
    invitation."""
    [container] = containers(of_kind(render(registration=f'"{registration}"', test__url=f'"{url}"'), "Pod")["holdfast-test"])
    [shell, options, script] = container["command"]
    told = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    assert told["HOLDFAST_URL"] == url
    environment = {
        "PATH": f"{HOLDFAST.parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "HOLDFAST_URL": url,
        "HOLDFAST_DATA": str(data),
    }
    return subprocess.run(
        [shell, options, script.replace("cd /tmp", f"cd {home}")],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.timeout(400)
@pytest.mark.parametrize("registration", ["open", "invite", "closed"])
def test_it_uploads_versions_archives_and_destroys(registration: str, tmp_path: Path) -> None:
    [port] = free_ports(1)
    data, home = tmp_path / "data", tmp_path / "home"
    home.mkdir()
    with serving(
        [HOLDFAST, "serve", "--data", data, "--port", str(port)], port, {"HOLDFAST_REGISTRATION": registration}
    ) as address:
        ended = run(registration, f"http://{address}", data, home)
    if registration == "closed":
        assert (ended.returncode, ended.stderr) == (2, "Nobody can register here, and the test neither: registration is closed.\n")
        return
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "All of it as it should be."
    assert "test.bin: OK" in ended.stdout
    *_, listed = ended.stdout.partition("test.bin: OK")
    assert "destroyed" in listed
