"""`helm`, from PATH or from where the folder of shared tools beside the repository puts its programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.servers.process import program

HOW = "install Helm 3; where ../shared/cluster is, `sh tests/servers/install.sh servers` brings it"
TOOLS = Path(os.environ.get("HOLDFAST_CLUSTER_BIN") or Path.home() / ".cache" / "holdfast-cluster" / "bin")
KUBERNETES = "1.34.0"


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

    def objects(self, chart: Path, values: dict[str, Any], release: str = "holdfast") -> list[dict[str, Any]]:
        """What a chart renders."""
        ended = self._template(chart, values, release)
        assert ended.returncode == 0, ended.stderr
        return [one for one in yaml.load_all(ended.stdout, yaml.CSafeLoader) if one]

    def refusal(self, chart: Path, values: dict[str, Any]) -> str:
        """Why it does not render."""
        ended = self._template(chart, values, "holdfast")
        assert ended.returncode != 0
        return ended.stderr

    def _template(self, chart: Path, values: dict[str, Any], release: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._path, "template", release, chart, "--kube-version", KUBERNETES, "--namespace", "media", "--values", "-"],
            check=False,
            capture_output=True,
            text=True,
            input=yaml.safe_dump(values),
        )

    def stop(self) -> None: ...


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
