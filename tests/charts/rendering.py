"""The chart as data: what Helm makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.docs.pages import CHART, ROOT
from tests.servers.helm import Helm, refused

Body = dict[str, Any]
PROFILES = {one.stem: one for one in sorted((ROOT / "k8s" / "profiles").glob("*.yaml"))} | {
    "tests": ROOT / "tests" / "charts" / "values.yaml",
    "everything": ROOT / "tests" / "charts" / "everything.yaml",
    "elsewhere": ROOT / "tests" / "charts" / "elsewhere.yaml",
    "guest": ROOT / "tests" / "charts" / "guest.yaml",
}
WITH_SEAWEEDFS = [name for name in PROFILES if name not in {"elsewhere", "guest"}]


def render(*profiles: Path, upgrade: bool = False, **values: str) -> list[Body]:
    """All objects. `values`: paths as --set has them, with `__` for the dots.

    Raises:
        subprocess.CalledProcessError: it refuses; `stderr` says why.
    """
    files = [part for one in profiles for part in ("--values", str(one))]
    sets = [part for name, value in values.items() for part in ("--set-json", f"{name.replace('__', '.')}={value}")]
    more = ["--is-upgrade"] if upgrade else []
    return Helm.start().template(CHART, *files, *sets, *more)


def refusal(*profiles: Path, **values: str) -> str:
    """The sentence with which the render fails."""
    return refused(lambda: render(*profiles, upgrade=False, **values))


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
