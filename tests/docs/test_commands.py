"""Every command in README.md and docs/guides is run, in order, against a fresh server in an empty folder and home.

A document's ```bash blocks are one shell script. Its line `holdfast serve …` is the server, which is started first, on a free port,
with the settings that the line sets; whatever cannot run here carries another fence. The operator's guide runs in a
cluster instead, and the ```sh blocks of the lifecycle guide on one with a node.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import ROOT
from tests.servers.kubernetes import Kubernetes
from tests.servers.process import free_ports, serving
from tests.stacks import WITH_LAKEFS, Stack

GUIDES = ROOT / "docs" / "guides"
STACKS, OPERATOR, LIFECYCLE = GUIDES / "deployment-stacks.md", GUIDES / "operator.md", GUIDES / "lifecycle.md"
IMAGES, CHART = GUIDES / "images.md", GUIDES / "chart.md"  # what their commands do is tested in tests/images and tests/charts
STAND_INS = ROOT / "tests" / "cluster" / "images"
DOCUMENTS = [ROOT / "README.md", *sorted(GUIDES.glob("*.md"))]
ADDRESS = "127.0.0.1:8000"
ALONE = {"HOLDFAST_OPERATOR_CLUSTERWIDE": "false"}
"""Of an operator that does not look at what other tests have in the cluster."""


@pytest.mark.parametrize(
    "document", [one for one in DOCUMENTS if one not in (STACKS, OPERATOR, IMAGES, CHART)], ids=lambda one: one.name
)
def test_its_commands_run(document: Path, tmp_path: Path) -> None:
    run(document, tmp_path, {})


@pytest.mark.parametrize("stack", WITH_LAKEFS, indirect=True)
def test_the_stacks_guide_runs_on_servers(stack: Stack, tmp_path: Path) -> None:
    settings = stack.settings().model_dump(mode="python", exclude_unset=True)
    run(STACKS, tmp_path, {f"HOLDFAST_{name.upper()}": plain(value) for name, value in settings.items() if value is not None})


def test_the_operators_guide_runs_on_a_cluster(kubernetes: Kubernetes, tmp_path: Path) -> None:
    namespace = f"holdfast-demo-{secrets.token_hex(4)}"
    named = shell(OPERATOR).replace("holdfast-demo", namespace)
    try:
        execute(OPERATOR, named, tmp_path, as_its_user(kubernetes, tmp_path) | ALONE)
    finally:
        kubernetes.kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


@pytest.mark.timeout(1800)
def test_the_lifecycle_guide_runs_in_a_cluster(node: Kubernetes, tmp_path: Path) -> None:
    """The whole way: pods archive, destroy and purge what is in MariaDB and SeaweedFS."""
    node.image("mariadb:11.8", STAND_INS, STAND_INS / "mariadb.Dockerfile")
    node.images("dev", ["worker", "operator"])
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    alone(tmp_path / "k8s" / "operator" / "deployment.yaml")
    [port] = free_ports(1)
    commands = shell(LIFECYCLE, "sh").replace(ADDRESS, f"127.0.0.1:{port}").replace(" 8000:80 ", f" {port}:80 ")
    try:
        execute(LIFECYCLE, commands, tmp_path, as_its_user(node, tmp_path))
    except AssertionError:
        for what in ("get apol,cronjobs,jobs,pods -o wide", "get events --sort-by=.lastTimestamp", "logs deployment/holdfast"):
            print(node.asked([*what.split(), "-n", "holdfast"], None, check=False).stdout)
        raise
    finally:
        node.kubectl("delete", "--wait=false", "--ignore-not-found", "-f", str(ROOT / "k8s" / "operator"))
        node.kubectl("delete", "namespace", "holdfast", "--wait=false", "--ignore-not-found")


def test_the_readme_says_make_run_and_make_test_which_ci_calls() -> None:
    readme, makefile, ci = ((ROOT / name).read_text() for name in ("README.md", "Makefile", ".ci/run"))
    for target in ("run", "test"):
        assert re.search(rf"^make {target} ", readme, re.MULTILINE)
        assert re.search(rf"^{target}: ", makefile, re.MULTILINE)
    assert re.search(r"^make test\b", ci, re.MULTILINE)
    assert "$(BIN)/holdfast demo $(ARGS)" in makefile
    assert "make run ARGS=--exit" in readme


@pytest.mark.parametrize("document", [*DOCUMENTS, *(ROOT / "docs").glob("*.md")], ids=lambda one: one.name)
def test_its_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", document.read_text())
    assert [one for one in targets if "://" not in one and not (document.parent / one).exists()] == []


def run(document: Path, folder: Path, settings: Mapping[str, str]) -> None:
    script = shell(document)
    serve = re.search(r"^((?:HOLDFAST_\w+=\S+ )*)holdfast serve\b(.*)$", script, re.MULTILINE)
    assert serve, f"{document.name} starts no server"
    environment = {**at_home(folder), **settings}
    with served(serve[1], serve[2], folder, environment) as address:
        commands = script.replace(serve[0], "").replace(ADDRESS, address)
        execute(document, commands, folder, {**environment, "HOLDFAST_URL": f"http://{address}"})


def alone(manifest: Path) -> None:
    """Adds ALONE to the environment of the manifest's Deployment."""
    body = yaml.safe_load(manifest.read_text())
    [container] = body["spec"]["template"]["spec"]["containers"]
    container["env"] += [{"name": name, "value": value} for name, value in ALONE.items()]
    manifest.write_text(yaml.safe_dump(body))


def as_its_user(kubernetes: Kubernetes, home: Path) -> dict[str, str]:
    """The environment of somebody at a shell who may do everything in the cluster, and whose KUBECONFIG he may change."""
    config = home / "kubeconfig"
    config.write_text(kubernetes.kubectl("config", "view", "--raw", "--output=json"))
    return {**at_home(home), "KUBECONFIG": str(config)}


def at_home(home: Path) -> dict[str, str]:
    """The environment of somebody who has the program, and no settings yet."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "XDG_"))}
    return {**clean, "HOME": str(home), "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"}


def shell(document: Path, fence: str = "bash") -> str:
    """Its commands."""
    return "\n".join(re.findall(rf"^```{fence}\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL))


def execute(document: Path, script: str, folder: Path, environment: Mapping[str, str]) -> None:
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-x", "-c", f"trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{document.name} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}"


@contextmanager
def served(settings: str, arguments: str, folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """`holdfast serve` with what the document gives it, from `folder`, on a free port; host and port."""
    [port] = free_ports(1)
    command = ["bash", "-c", f"cd '{folder}' && {settings}exec holdfast serve {arguments} --port {port}"]
    with serving(command, port, environment) as address:
        yield address


def plain(value: object) -> str:
    """A setting as the environment holds it."""
    reveal = getattr(value, "get_secret_value", None)
    return str(reveal()) if reveal else str(value)
