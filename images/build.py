"""Builds the images, one for each function and those of the program: ``python -m images.build``, which `make images` calls.

With docker, or with buildah where docker does not answer. What functions with the same extras share, their group, is built once for
all of them, and one group before the others, for what all groups share; then the images, as many at a time as there are processors.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from holdfast import __version__
from holdfast.web import catalogue

ROOT = Path(__file__).parents[1]
SHARED = ("group", "endpoints")
"""Stages of function.Dockerfile: what the functions of a group share, and what all functions do."""
PACKAGES = "/opt/holdfast/lib"
"""Where the packages are in an image."""


@dataclass(frozen=True)
class Image:
    """``group``: the extras whose packages it holds; ``shares``: whether others may have them from the same stages, ``SHARED``, of
    its Dockerfile; ``arguments``: of its Dockerfile."""

    name: str
    dockerfile: str
    group: tuple[str, ...]
    shares: bool = False
    arguments: tuple[tuple[str, str], ...] = ()

    def reference(self, registry: str, tag: str) -> str:
        return f"{registry.rstrip('/')}/holdfast/{self.name}:{tag}".lstrip("/")


def images() -> list[Image]:
    """All that there are."""
    program = "images/program.Dockerfile"
    return [
        *(
            Image(f.slug, "images/function.Dockerfile", (*f.extras, "lambda"), True, (("FUNCTION", f.name),))
            for f in catalogue.functions()
        ),
        Image("worker", program, ("sql", "s3", "lakefs", "lifecycle", "cli")),
        Image("operator", program, ("operator",), False, (("EXTRAS", "operator"), ("TITLE", "holdfast operator"))),
    ]


def chosen(names: Sequence[str]) -> list[Image]:
    """Those of ``names``, or all. Raises ValueError for a name that none has."""
    every = {image.name: image for image in images()}
    if unknown := [name for name in names if name not in every]:
        raise ValueError(f"there is no image {', '.join(unknown)}; there are {', '.join(every)}")
    return [every[name] for name in names or every]


def groups(wanted: Sequence[Image]) -> list[Image]:
    """The first function of each group."""
    return [image for image in bills(wanted) if image.shares]


def bills(wanted: Sequence[Image]) -> list[Image]:
    """The first image of each set of packages, the program's as well: what there is a bill of materials of."""
    return list({image.group: image for image in reversed(wanted)}.values())[::-1]


def group_name(group: Sequence[str]) -> str:
    """``core`` is what every image holds; a function's own extras follow, or the program's."""
    return "-".join(["core", *(extra for extra in group if extra != "lambda")])


class Builder:
    """docker's command line, which buildah's differs from in a few words."""

    def __init__(self, program: str) -> None:
        self.program = program
        self._build = [program, "build"] if program == "docker" else [program, "bud", "--layers"]

    def prepare(self, image: Image) -> None:
        """Builds what its group shares. Raises CalledProcessError, as all of these do."""
        for stage in SHARED:
            self._run(*self._build, "--target", stage, "-t", self._prepared(image, stage), *self._arguments(image), ".")

    def build(self, image: Image, reference: str, revision: str) -> None:
        """docker knows the prepared stages by itself; buildah would hash all of their files once more to find that out."""
        known = SHARED if image.shares and self.program == "buildah" else ()
        contexts = [f"--build-context={stage}=container-image://{self._prepared(image, stage)}" for stage in known]
        given = ("--build-arg", f"REVISION={revision}")
        self._run(*self._build, *contexts, "-t", reference, *self._arguments(image), *given, ".")

    def _arguments(self, image: Image) -> list[str]:
        given = (*image.arguments, ("VERSION", __version__))
        return ["-f", image.dockerfile, *(part for name, value in given for part in ("--build-arg", f"{name}={value}"))]

    def _prepared(self, image: Image, stage: str) -> str:
        return f"localhost/holdfast-{stage}:{group_name(image.group) if stage == 'group' else 'dev'}"

    def sizes(self) -> dict[str, str]:
        """Of all images that are here, by reference, unpacked: such as 334MB."""
        name = "{{.Repository}}" if self.program == "docker" else "{{.Name}}"
        listed = self._run(self.program, "images", "--format", f"{name}:{{{{.Tag}}}} {{{{.Size}}}}").splitlines()
        words = [line.split(maxsplit=1) for line in listed if line.strip()]
        return {reference.removeprefix("localhost/"): size.replace(" ", "") for reference, size in words}

    def push(self, reference: str) -> None:
        self._run(self.program, "push", reference)

    @contextmanager
    def files(self, reference: str) -> Iterator[Callable[[str, Path], None]]:
        """Copies a folder of an image to this machine: (path in the image, new folder)."""
        if self.program == "docker":
            container = self._run("docker", "create", reference).strip()
            try:
                yield lambda path, to: void(self._run("docker", "cp", f"{container}:{path}", str(to)))
            finally:
                self._run("docker", "rm", container)
        else:
            container = self._run("buildah", "from", "--pull-never", reference).strip()
            try:
                root = self._run("buildah", "mount", container).strip()
                yield lambda path, to: void(shutil.copytree(f"{root}{path}", to, symlinks=True))
            finally:
                self._run("buildah", "rm", container)

    @staticmethod
    def _run(*command: str) -> str:
        # chroot: buildah then needs no namespaces, which a container that it is in could refuse.
        environment = {"BUILDAH_ISOLATION": "chroot", **os.environ, "DOCKER_BUILDKIT": "1"}
        return subprocess.run(
            command, cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ).stdout


def void(_: object) -> None:
    """Nothing."""


def builder() -> Builder:
    """Raises LookupError where there is none."""
    if shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        return Builder("docker")
    if shutil.which("buildah"):
        return Builder("buildah")
    raise LookupError("neither docker nor buildah is here")


def revision() -> str:
    """The commit that is built; ``-dirty`` where it is not all."""
    said = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "unknown"


def build(
    wanted: Sequence[Image], with_: Builder, registry: str, tag: str, told: Callable[[str], None], jobs: int = os.cpu_count() or 1
) -> None:
    """Raises CalledProcessError, whose ``stdout`` is what the builder said, once those that were being built have ended."""
    commit, shared = revision(), groups(wanted)
    total, done = len(shared) + len(wanted), 0

    def timed(act: Callable[[], None]) -> float:
        begun = time.monotonic()
        act()
        return time.monotonic() - begun

    def together(acts: Mapping[str, Callable[[], None]]) -> None:
        nonlocal done
        running = {pool.submit(timed, act): name for name, act in acts.items()}
        try:
            for ended in as_completed(running):
                seconds = ended.result()
                done += 1
                told(f"[{done:2}/{total}] {running[ended]} {seconds:.1f} s")
        finally:
            for waiting in running:
                waiting.cancel()

    preparing = {f"packages of {group_name(image.group)}": partial(with_.prepare, image) for image in shared}
    names = [image.reference(registry, tag) for image in wanted]
    building = {name: partial(with_.build, image, name, commit) for name, image in zip(names, wanted, strict=True)}
    with ThreadPoolExecutor(jobs) as pool:
        for acts in (dict([*preparing.items()][:1]), dict([*preparing.items()][1:]), building):
            together(acts)


def bill(image: Image, with_: Builder, reference: str, to: Path) -> Path:
    """The packages of an image, by CycloneDX, read from the image. Returns the new file in ``to``."""
    with tempfile.TemporaryDirectory() as folder, with_.files(reference) as copy:
        copy(PACKAGES, Path(folder, "lib"))
        [library] = Path(folder, "lib").glob("python*/site-packages")
        return bill_of(library, image.group, to)


def bill_of(installed: Path, group: Sequence[str], to: Path) -> Path:
    """What is installed in a folder ``site-packages``, as the packages of a group, by CycloneDX. Returns the new file in ``to``."""
    to.mkdir(parents=True, exist_ok=True)
    file = to / f"{group_name(group)}.cdx.json"
    with tempfile.TemporaryDirectory() as folder:
        # A virtual environment of this machine's Python, of which nothing but its path is asked, with those packages in it.
        venv.create(folder)
        [library] = Path(folder).glob("lib/python*/site-packages")
        for described in installed.glob("*.dist-info"):
            shutil.copytree(described, library / described.name)
        # To validate it would take ten times as long: a test does that.
        options = ["--no-validate", "--output-reproducible", "--spec-version", "1.6", "--of", "JSON", "--mc-type", "application"]
        cyclonedx = [sys.executable, "-m", "cyclonedx_py", "environment", *options, "--pyproject", str(ROOT / "pyproject.toml")]
        subprocess.run([*cyclonedx, "-o", str(file), folder], check=True, capture_output=True)
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m images.build", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="images to build, such as token or worker; all by default")
    parser.add_argument("--registry", default="", help="what stands before holdfast/<name>")
    parser.add_argument("--tag", default="dev")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("--push", action="store_true", help="push them to the registry")
    parser.add_argument("--sbom", type=Path, metavar="FOLDER", help="write a bill of materials there for each group of packages")
    asked = parser.parse_args(arguments)
    try:
        wanted, with_ = chosen(asked.names), builder()
    except (LookupError, ValueError) as error:
        parser.error(str(error))

    def told(line: str) -> None:
        print(line, flush=True)

    try:
        build(wanted, with_, asked.registry, asked.tag, told, asked.jobs)
        for image in wanted if asked.push else []:
            with_.push(image.reference(asked.registry, asked.tag))
            told(f"pushed {image.reference(asked.registry, asked.tag)}")
    except subprocess.CalledProcessError as failed:
        print(f"{failed.stdout}\n{' '.join(failed.cmd)} ended with {failed.returncode}", file=sys.stderr)
        return 1
    if asked.sbom:
        for image in bills(wanted):
            told(f"{bill(image, with_, image.reference(asked.registry, asked.tag), asked.sbom)}")
    sizes = with_.sizes()
    for reference in (image.reference(asked.registry, asked.tag) for image in wanted):
        told(f"{reference:60} {sizes.get(reference.removeprefix('localhost/'), ''):>10}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
