"""The demo's files: photographs and documents that installed packages ship. Nothing is made up, and nothing is fetched."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from holdfast.cli.failures import Failure


@dataclass(frozen=True, slots=True)
class Source:
    """A file of an installed package, and what the demo calls it."""

    package: str
    ending: str
    name: str


ROCKET = Source("scikit-image", "skimage/data/rocket.jpg", "rocket.jpg")
HUBBLE = Source("scikit-image", "skimage/data/hubble_deep_field.jpg", "hubble deep field.jpg")
RETINA = Source("scikit-image", "skimage/data/retina.jpg", "retina.jpg")
CAT = Source("scikit-image", "skimage/data/chelsea.png", "Chelsea.png")
LEFT = Source("scikit-image", "skimage/data/motorcycle_left.png", "motorcycle.png")
RIGHT = Source("scikit-image", "skimage/data/motorcycle_right.png", "motorcycle.png")
CREDITS = Source("scikit-image", "skimage/data/README.txt", "credits.txt")
LICENCE = Source("scikit-image", "LICENSE.txt", "licence.txt")
MANUAL = Source("aenum", "aenum/doc/aenum.pdf", "manual.pdf")
README = Source("aenum", "aenum/README.md", "manual notes.md")


def copy(source: Source, folder: Path) -> Path:
    """A copy of ``source`` below ``folder``, under the name that the demo gives it. Raises Failure where the package is missing."""
    try:
        files = distribution(source.package).files or []
    except PackageNotFoundError:
        files = []
    found = next((file for file in files if str(file).endswith(source.ending)), None)
    if found is None or not Path(str(found.locate())).is_file():
        raise Failure(f"The demo needs {source.ending} of the package {source.package}: `make setup` brings it.")
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(str(found.locate()), folder / source.name))
