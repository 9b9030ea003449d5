"""Helm, which renders the chart and its parts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.servers.process import program

HOW = "install Helm 3 or 4; where ../shared/cluster is, `sh tests/servers/install.sh` builds it"
BUILT = Path(os.environ.get("HOLDFAST_CLUSTER_BIN") or Path.home() / ".cache/holdfast-cluster/bin")


def helm(*arguments: str | Path) -> str:
    """What `helm` prints.

    Raises:
        ServerMissingError: there is no `helm`.
        subprocess.CalledProcessError: it refused; `stderr` says why.
    """
    command = [program("helm", HOW, also_in=[BUILT]), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def render(folder: Path, helpers: Path, template: str, values: str) -> str:
    """What `template` makes of `values` (YAML) with the definitions of the file `helpers`, in a chart that `folder` is for."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: part\nversion: 0.0.0\n")
    (folder / "values.yaml").write_text(values)
    (folder / "templates" / "_helpers.tpl").write_text(helpers.read_text())
    (folder / "templates" / "rendered.yaml").write_text(f"rendered: |\n{{{{ {template} | indent 2 }}}}\n")
    return helm("template", "part", folder)
