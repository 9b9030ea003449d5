"""What functions take at rest: ``python -m tests.images.memory [--tag dev] [NAME ...]``, the table of docs/guides/images.md.

Each function's image is run by itself, on this machine, with all stores configured and none answering, and asked for ``/healthz``
and ``/readyz`` first: so it has loaded what it connects with.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx
from images.build import PACKAGES, Builder, Image, builder, chosen, group_name
from tests.images.running import run
from tests.servers.process import free_ports

MIB = 1 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.images.memory", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="functions, as their images are called; all by default")
    parser.add_argument("--tag", default="dev", help="of the images, which have to be there")
    asked = parser.parse_args(arguments)
    try:
        with_, wanted = builder(), [image for image in chosen(asked.names) if image.shares]
    except (LookupError, ValueError) as error:
        parser.error(str(error))
    packages: dict[tuple[str, ...], float] = {}
    sizes = with_.sizes()
    print("| Function | Group | Image, MB | Packages, MiB | RSS, MiB |\n| --- | --- | ---: | ---: | ---: |", flush=True)
    for image in sorted(wanted, key=lambda image: image.name):
        reference = image.reference("", asked.tag)
        if image.group not in packages:
            packages[image.group] = size(with_, reference)
        group = ", ".join(group_name(image.group).split("-")[1:]) or "none"
        columns = [sizes[reference].removesuffix("MB"), f"{packages[image.group]:.0f}", f"{resident(with_, image, reference):.1f}"]
        print(f"| `{image.name}` | {group} | {' | '.join(columns)} |", flush=True)
    return 0


def size(with_: Builder, reference: str) -> float:
    """MiB of its packages, ours left out."""
    with tempfile.TemporaryDirectory() as folder, with_.files(reference) as copy:
        copy(PACKAGES, Path(folder, "lib"))
        [library] = Path(folder, "lib").glob("python*/site-packages")
        ours = {library / "holdfast", library / "endpoints"}
        files = (one for one in Path(folder, "lib").rglob("*") if one.is_file() and not one.is_symlink())
        return sum(one.stat().st_size for one in files if not ours & set(one.parents)) / MIB


def resident(with_: Builder, image: Image, reference: str) -> float:
    """MiB that the process of a function has in memory."""
    port, nobody = free_ports(2)
    away = f"127.0.0.1:{nobody}"
    settings = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATABASE_URL": f"mysql+pymysql://holdfast:holdfast@{away}/holdfast",
        "OBJECTS": "s3",
        "S3_ENDPOINT": f"http://{away}",
        "S3_ACCESS_KEY": "key",
        "S3_SECRET_KEY": "secret",
        "VERSIONS": "lakefs",
        "LAKEFS_ENDPOINT": f"http://{away}",
        "LAKEFS_ACCESS_KEY": "key",
        "LAKEFS_SECRET_KEY": "secret",
        "TOKEN_SECRET": "a secret of thirty-two characters",
        "LINK_SECRET": "a secret of thirty-two characters",
    }
    given = [f"HOLDFAST_{name}={value}" for name, value in settings.items()]
    process = run(with_, reference, "env", *given, "python", "-m", "holdfast.web.container")
    try:
        process.wait_until(lambda: " is ready: " in process.said())
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
        httpx.get(f"{url}/readyz", timeout=60)
        return max(rss for pid in process.pids() if (rss := _rss(pid, "holdfast.web.container")))
    finally:
        process.stop()


def _rss(pid: int, module: str) -> float:
    """MiB of a Python that runs the module; 0 for any other process."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    if b"python" not in words[0].rpartition(b"/")[2] or module.encode() not in words:
        return 0
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
