"""The functions as the charts, the images and skaffold need to know them. Their one source is the folders of ``endpoints``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from fastapi.routing import APIRoute

from holdfast.web import serving


@dataclass(frozen=True)
class Function:
    """``paths``: what an ingress sends to it, each with all that lies beneath; where two fit, the longer one counts. ``extras``:
    the package's extras that its image holds; functions with the same ones share a layer. ``role``: as whom it works with the
    database and the object store (``holdfast.database.grants``), or ``none``, without either."""

    name: str
    paths: tuple[str, ...]
    extras: tuple[str, ...]
    role: Literal["none", "read", "write"]

    @property
    def slug(self) -> str:
        """The name as Kubernetes and registries allow it."""
        return self.name.replace("_", "-")


def functions() -> list[Function]:
    """All of them by name. Imports every function's routes."""
    return [_function(name) for name in serving.functions()]


def _function(name: str) -> Function:
    router = import_module(f"endpoints.{name}.routes").router
    fixed = {route.path.partition("/{")[0] for route in router.routes if isinstance(route, APIRoute)}
    paths = tuple(sorted(path for path in fixed if not any(path.startswith(f"{other}/") for other in fixed)))
    package = import_module(f"endpoints.{name}")
    return Function(name, paths, tuple(package.EXTRAS), package.ROLE)
