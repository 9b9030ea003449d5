"""Processes of a test run share one cluster, here with a tool that only notes what it is asked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.servers import kubernetes
from tests.servers.kubernetes import Kubernetes
from tests.servers.process import ServerFailedError

TOOL = """#!/bin/sh
cd "$(dirname "$0")"
case $1 in
    status) if [ -e runs ]; then echo 'kube-apiserver  runs'; fi ;;
    up) if [ -e broken ]; then echo 'no etcd here' >&2; exit 1; fi
        if [ ! -e runs ]; then touch runs; echo up >>asked; fi
        echo "KUBECONFIG=$PWD/kubeconfig" ;;
    down) rm runs; echo down >>asked ;;
esac
"""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="the tool is root's")


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tool = tmp_path / "cluster"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    monkeypatch.delenv("HOLDFAST_TEST_KUBECONFIG", raising=False)
    monkeypatch.setattr(kubernetes, "CLUSTER", tool)
    monkeypatch.setattr(kubernetes, "SHARED", tmp_path / "shared")
    return tool


def asked(tool: Path) -> list[str]:
    log = tool.with_name("asked")
    return log.read_text().split() if log.exists() else []


def test_the_first_starts_it_and_the_last_ends_it_whoever_that_is(tool: Path) -> None:
    first, second = Kubernetes.start(), Kubernetes.start()
    assert first.kubeconfig == second.kubeconfig == tool.with_name("kubeconfig")
    first.stop()
    assert asked(tool) == ["up"]
    third = Kubernetes.start()
    second.stop()
    assert asked(tool) == ["up"]
    third.stop()
    assert asked(tool) == ["up", "down"]


def test_one_that_was_there_before_goes_on(tool: Path) -> None:
    subprocess.run([tool, "up"], check=True)
    users = [Kubernetes.start(), Kubernetes.start()]
    for one in users:
        one.stop()
    assert asked(tool) == ["up"]


def test_one_that_does_not_come_up_is_ended_and_its_words_are_told(tool: Path) -> None:
    tool.with_name("broken").touch()
    with pytest.raises(ServerFailedError, match="no etcd here"):
        Kubernetes.start()
    assert asked(tool) == ["down"]
