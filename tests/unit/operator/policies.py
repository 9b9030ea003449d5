"""Policies as the API server has them, and settings of an operator, for the tests of what is decided about them."""

from __future__ import annotations

from typing import Any

from holdfast.policies.model import API_VERSION, KIND
from holdfast_operator.accepting import Accepted, accept
from holdfast_operator.settings import Settings

OWN = "holdfast"


def settings(**changed: Any) -> Settings:
    return Settings(image="holdfast/worker:1", **{"namespace": OWN, **changed})


def body(name: str = "finished", namespace: str = OWN, generation: int = 1, uid: str = "u1", **spec: Any) -> dict[str, Any]:
    given = {"workspaces": {"names": ["ada_space"]}, "archive": {"afterDays": 30}, "destroy": {"afterDays": 365}}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "generation": generation,
            "resourceVersion": "7",
            "creationTimestamp": "2026-11-01T00:00:00Z",
        },
        "spec": {key: value for key, value in {**given, **spec}.items() if value is not None},
    }


def accepted(of: dict[str, Any], with_settings: Settings | None = None) -> Accepted:
    found = accept(of, with_settings or settings(), OWN)
    assert isinstance(found, Accepted), found
    return found
