"""What Helm says to whoever installs the chart. Only an installation prints NOTES.txt, so it is rendered as an object here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.charts.rendering import Body
from tests.docs.pages import CHART
from tests.servers.helm import Helm

ONE: Body = {"storage": {"kind": "nfs", "nfs": {"server": "nas", "path": "/e"}}}
EACH = [{"name": f"rack{i}", "servers": 2, "storage": {"nfs": {"server": f"nas{i}"}}} for i in (1, 2)]


def notes(folder: Path, values: Body) -> str:
    chart = folder / "holdfast"
    shutil.copytree(CHART, chart)
    (chart / "templates" / "NOTES.txt").rename(chart / "templates" / "_notes.tpl")
    text = (chart / "templates" / "_notes.tpl").read_text()
    (chart / "templates" / "_notes.tpl").write_text('{{- define "notes" -}}\n' + text + "{{- end -}}\n")
    (chart / "templates" / "said.yaml").write_text('kind: Notes\nsaid: {{ include "notes" . | toJson }}\n')
    [said] = [one["said"] for one in Helm.start().objects(chart, values) if one["kind"] == "Notes"]
    return str(said)


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({}, False),
        (ONE, True),
        ({**ONE, "seaweedfs": {"volume": {"racks": EACH}}}, False),
        ({**ONE, "seaweedfs": {"volume": {"storage": {"kind": "storageClass"}}}}, False),
        ({**ONE, "seaweedfs": {"replication": "001"}}, False),
    ],
)
def test_copies_that_are_on_one_server_are_warned_of(tmp_path: Path, values: Body, warned: bool) -> None:
    said = notes(tmp_path, values)
    assert ("2 racks of SeaweedFS share 1 NFS server (nas)" in said) is warned
    assert said.startswith("WARNING: " if warned else "Holdfast ")
