"""Every template of the chart, and every branch in it, is in some profile: what no profile renders, no static check looks at."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.rendering import PROFILES
from tests.docs.pages import CHART
from tests.servers.helm import KUBERNETES, NAMESPACE, RELEASE, Helm

BRANCH = re.compile(r"\{\{-? *(?:if|else if|else|with|range)\b(?:[^}\"]|\"[^\"]*\")*?(-?)\}\}")
REFUSAL = re.compile(r"\s*\{\{-? *fail ")
"""What a branch begins with in which the render ends with a sentence: tests of their own are about those."""
DEFINITION = re.compile(r"define \"(.*?)\"")
NOT_HERE = {
    "holdfast.seaweedfs.warning": "of NOTES.txt: test_notes.py",
    "holdfast.seaweedfs.identities": "is given no values: test_identities.py",
    "holdfast.namespaces": "is given labels alone: the policies of monitoringNamespaceLabels in test_render.py",
}
"""Definitions whose branches cannot be noted, and whose tests are about them."""
AT_A_SERVER = {
    '{{- range (lookup "v1" "PersistentVolumeClaim" .Release.Namespace "").items }}',
    "{{- range $key, $value := $known }}",
}
"""Branches that are taken where the cluster already has something: test_credentials.py, test_release.py."""


class Covered:
    """What the profiles render of a copy of the chart whose branches each note in the values that they were taken."""

    def __init__(self, folder: Path) -> None:
        self._chart = folder / "holdfast"
        shutil.copytree(CHART, self._chart)
        self.branches: dict[str, str] = {}
        templates = self._chart / "templates"
        files = {str(one.relative_to(templates)): one for one in sorted(templates.rglob("*")) if one.suffix in {".yaml", ".tpl"}}
        self.files = {name for name in files if name.endswith(".yaml")}
        for name, file in files.items():
            file.write_text(self._noting(name, file.read_text()))
        self.taken, self.rendered = set[str](), set[str]()
        for profile in PROFILES.values():
            self._render("--values", str(profile))
        self._render("--is-upgrade")
        self._render("--set=fullnameOverride=assets")
        self._render(release="assets")

    def _noting(self, name: str, text: str) -> str:
        def noting(found: re.Match[str]) -> str:
            action = " ".join(found[0].split())
            [*_, within] = ["", *DEFINITION.findall(text, 0, found.start())]
            if REFUSAL.match(text, found.end()) or within in NOT_HERE or action in AT_A_SERVER:
                return found[0]
            branch = f"branch-{len(self.branches)}"
            line = text.count("\n", 0, found.start()) + 1
            self.branches[branch] = f"{name}:{line} {action}"
            return f'{found[0]}{{{{ with (default $ $.root).Values }}}}{{{{ $_ := set . "{branch}" true }}}}{{{{ end {found[1]}}}}}'

        noted = BRANCH.sub(noting, text)
        return noted if name.endswith(".tpl") else f"{noted}\n---\ntaken: {{{{ keys .Values | toJson }}}}\n"

    def _render(self, *arguments: str, release: str = RELEASE) -> None:
        where = ["--kube-version", KUBERNETES, "--namespace", NAMESPACE]
        said = Helm.start().asked("template", release, self._chart, *where, *arguments)
        assert said.returncode == 0, said.stderr
        for file, body in documents(said.stdout):
            self.taken |= set(body.get("taken", ()))
            if "kind" in body:
                self.rendered.add(file)


def documents(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What Helm rendered, with the name of the template that it is from."""
    for part in re.split(r"^---$", text, flags=re.MULTILINE):
        if found := re.match(r"\s*# Source: holdfast/templates/(\S+)", part):
            yield found[1], yaml.load(part, yaml.CSafeLoader) or {}


@pytest.fixture(scope="module")
def covered(tmp_path_factory: pytest.TempPathFactory) -> Covered:
    return Covered(tmp_path_factory.mktemp("covered"))


def test_every_template_makes_an_object_in_some_profile(covered: Covered) -> None:
    assert covered.files - covered.rendered == set()


def test_every_branch_of_every_template_is_taken_in_some_profile(covered: Covered) -> None:
    assert len(covered.branches) > 100
    missed = {where for branch, where in covered.branches.items() if branch not in covered.taken}
    assert sorted(missed) == []
