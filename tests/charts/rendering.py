"""The chart as data: what Helm makes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.docs.pages import CHART, ROOT
from tests.servers.helm import helm

Body = dict[str, Any]
PROFILES = {one.stem: one for one in sorted((ROOT / "k8s" / "profiles").glob("*.yaml"))} | {
    "tests": ROOT / "tests" / "charts" / "values.yaml"
}
NAMESPACE, RELEASE, VERSION = "assets", "holdfast", "1.34.0"


def render(*profiles: Path, upgrade: bool = False, **values: str) -> list[Body]:
    """All objects. `values`: paths as --set has them, with `__` for the dots.

    Raises:
        subprocess.CalledProcessError: it refuses; `stderr` says why.
    """
    files = [part for one in profiles for part in ("--values", str(one))]
    sets = [part for name, value in values.items() for part in ("--set-json", f"{name.replace('__', '.')}={value}")]
    more = ["--is-upgrade"] if upgrade else []
    text = helm("template", RELEASE, CHART, "--namespace", NAMESPACE, "--kube-version", VERSION, *files, *sets, *more)
    return [body for body in yaml.load_all(text, yaml.CSafeLoader) if body]


def refusal(*profiles: Path, **values: str) -> str:
    """The sentence with which the render fails."""
    try:
        render(*profiles, upgrade=False, **values)
    except subprocess.CalledProcessError as error:
        return str(error.stderr)
    raise AssertionError("it was rendered")


def of_kind(bodies: list[Body], *kinds: str) -> dict[str, Body]:
    """Those of the kinds, by name."""
    return {one["metadata"]["name"]: one for one in bodies if one["kind"] in kinds}


def pods(bodies: list[Body]) -> Iterator[tuple[str, Body]]:
    """Every pod template: whose it is, and its labels and spec."""
    for one in bodies:
        where = f"{one['kind']} {one['metadata']['name']}"
        if one["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield where, one["spec"]["template"]
        elif one["kind"] == "CronJob":
            yield where, one["spec"]["jobTemplate"]["spec"]["template"]
        elif one["kind"] == "Pod":
            yield where, one


def containers(pod: Body) -> list[Body]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
