"""k8s/nfs/make-folders.sh makes the folders of the chart's volumes on a server, and leaves all that is there as it is."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.charts.rendering import PROFILES, Body, of_kind, pods, render
from tests.docs.pages import ROOT

SCRIPT = ROOT / "k8s" / "nfs" / "make-folders.sh"
NFS = {"storage__kind": '"nfs"', "storage__nfs": '{"server": "nas", "path": "/export/holdfast"}'}


@pytest.fixture
def chown(tmp_path: Path) -> Path:
    """A program of that name before all others, since only root may give files away: it writes down what it was told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "chown").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/owners\n')
    (folder / "chown").chmod(0o755)
    return folder


def run(chown: Path, bodies: list[Body], *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    path = f"{chown}:{os.environ['PATH']}"
    given = yaml.safe_dump_all(bodies, width=1000)
    return subprocess.run(
        ["sh", SCRIPT, *arguments], input=given, check=False, capture_output=True, text=True, env={**os.environ, "PATH": path}
    )


def everything_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Modes and contents, by path."""
    found = [folder, *sorted(folder.rglob("*"))]
    return {str(one): (one.stat().st_mode, one.read_bytes() if one.is_file() else b"") for one in found}


@pytest.mark.parametrize("profile", [[], ["production"], ["everything"]], ids=["nfs", "production", "everything"])
def test_each_volume_gets_its_folder_for_the_user_of_its_pods(profile: list[str], chown: Path, tmp_path: Path) -> None:
    bodies = (
        render(*(PROFILES[one] for one in profile))
        if profile
        else render(upgrade=False, clamav__enabled="true", qdrant__enabled="true", **NFS)
    )
    export = tmp_path / "export"
    export.mkdir()
    ended = run(chown, bodies, f"{export}/")
    assert ended.returncode == 0, ended.stderr
    volumes = [Path(one["spec"]["nfs"]["path"]).name for one in of_kind(bodies, "PersistentVolume").values()]
    assert sorted(one.name for one in export.iterdir()) == sorted(volumes)
    assert f"{len(volumes)} folders are ready" in ended.stdout
    assert {stat.S_IMODE(one.stat().st_mode) for one in export.iterdir()} == {0o750}
    owners = dict(line.split()[::-1] for line in (tmp_path / "owners").read_text().splitlines())
    users = {where.partition(" ")[2]: template["spec"]["securityContext"]["runAsUser"] for where, template in pods(bodies)}
    for name in volumes:
        user = users[re.sub(r"-\d+$", "", name)]
        assert owners[str(export / name)] == f"{user}:{user}", name


def test_a_folder_with_something_in_it_stays_as_it_is_and_so_does_all_else(chown: Path, tmp_path: Path) -> None:
    export = tmp_path / "export"
    full, other = export / "holdfast-mysql-0", export / "somebody-elses"
    for folder in (full, other):
        folder.mkdir(parents=True)
        (folder / "data").write_bytes(b"not to be lost")
        folder.chmod(0o711)
    before = everything_in(full) | everything_in(other)
    bodies = render(upgrade=False, **NFS)
    for _ in range(2):
        ended = run(chown, bodies, export)
        assert f"{full} has something in it: left as it is" in ended.stdout
        assert everything_in(full) | everything_in(other) == before
        assert f" {full}\n" not in (tmp_path / "owners").read_text()


def test_it_has_no_word_that_deletes() -> None:
    program = re.sub(r"^\s*#.*$", "", SCRIPT.read_text(), flags=re.MULTILINE)
    assert not re.search(r"\b(rm|rmdir|unlink|mv|find|truncate|mkfs|umount)\b|(?<!&)>(?!&)", program)


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["a", "b"]])
def test_without_one_folder_that_is_there_it_does_nothing(chown: Path, arguments: list[str]) -> None:
    ended = run(chown, render(upgrade=False, **NFS), *arguments)
    assert (ended.returncode, ended.stderr) == (2, "usage: helm template … | make-folders.sh EXPORTED_FOLDER\n")
