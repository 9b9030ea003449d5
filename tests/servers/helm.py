"""`helm`, from PATH or from where the folder of shared tools beside the repository puts its programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.process import program

HOW = "install Helm 3; where ../shared/cluster is, `sh tests/servers/install.sh servers` brings it"
TOOLS = Path(os.environ.get("HOLDFAST_CLUSTER_BIN") or Path.home() / ".cache" / "holdfast-cluster" / "bin")
KUBERNETES, NAMESPACE, RELEASE = "1.34.0", "assets", "holdfast"


class Helm:
    """The program; there is nothing to stop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def start(cls) -> Helm:
        """Raises ServerMissingError: there is no `helm`."""
        return cls(program("helm", HOW, also_in=[TOOLS]))

    def asked(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self._path, *arguments], check=False, capture_output=True, text=True)

    def template(self, chart: Path, *arguments: str | Path, given: str = "") -> list[dict[str, Any]]:
        """What a chart renders. `given`: for `--values -`.

        Raises:
            subprocess.CalledProcessError: it does not; `stderr` says why.
        """
        where = ["--kube-version", KUBERNETES, "--namespace", NAMESPACE]
        return self.bodies("template", RELEASE, chart, *where, *arguments, given=given)

    def bodies(self, *arguments: str | Path, given: str = "") -> list[dict[str, Any]]:
        """The objects that it prints. Raises as `template`."""
        text = subprocess.run([self._path, *arguments], check=True, capture_output=True, text=True, input=given).stdout
        return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]

    def objects(self, chart: Path, values: dict[str, Any], *, upgrade: bool = False) -> list[dict[str, Any]]:
        """What a chart renders with these values. Raises as `template`."""
        return self.template(chart, "--values", "-", *(["--is-upgrade"] if upgrade else []), given=yaml.safe_dump(values))

    def refusal(self, chart: Path, values: dict[str, Any]) -> str:
        """Why it does not render."""
        return refused(lambda: self.objects(chart, values))

    def stop(self) -> None: ...


def refused(rendering: Callable[[], object]) -> str:
    """What Helm says as it does not render; it must not."""
    with pytest.raises(subprocess.CalledProcessError) as error:
        rendering()
    return str(error.value.stderr)


def helm(*arguments: str | Path) -> str:
    """What `helm` prints.

    Raises:
        ServerMissingError: there is no `helm`.
        subprocess.CalledProcessError: it refused; `stderr` says why.
    """
    ended = Helm.start().asked(*arguments)
    ended.check_returncode()
    return ended.stdout


def render(folder: Path, helpers: Path, template: str, values: str) -> str:
    """What `template` makes of `values` (YAML) with the definitions of the file `helpers`, in a chart that `folder` is for."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: part\nversion: 0.0.0\n")
    (folder / "values.yaml").write_text(values)
    (folder / "templates" / "_helpers.tpl").write_text(helpers.read_text())
    (folder / "templates" / "rendered.yaml").write_text(f"rendered: |\n{{{{ {template} | indent 2 }}}}\n")
    return helm("template", "part", folder)
