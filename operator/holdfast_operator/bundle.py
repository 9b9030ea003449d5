"""The one ConfigMap that hands all policies to every Job as data: ``<namespace>.<name>.yaml``, in JSON, which YAML is too. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.policies.model import AssetPolicy, dump
from holdfast_operator import names

MOST_BYTES = 1_000_000
"""A ConfigMap may have 1 MiB, and its managed fields name each key."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """``data`` of the ConfigMap; generations of the policies that are in it, by ``namespace/name``; and those it had no room
    for."""

    data: Mapping[str, str]
    generations: Mapping[str, int]
    left_out: frozenset[str]


def make(policies: Iterable[tuple[str, AssetPolicy]]) -> Bundle:
    """``policies``: all that are accepted and not suspended, each with its creation timestamp. When there are too many, the newest
    are left out, and do not act."""
    data: dict[str, str] = {}
    generations: dict[str, int] = {}
    left_out, size = set(), 0
    for _created, policy in sorted(policies, key=lambda one: (one[0], one[1].key)):
        key, text = names.bundle_key(policy.key), entry(policy)
        size += 2 * len(key) + len(text.encode()) + 16
        if size > MOST_BYTES:
            left_out.add(policy.key)
            continue
        data[key], generations[policy.key] = text, policy.metadata.generation
    return Bundle(data, generations, frozenset(left_out))


def entry(policy: AssetPolicy) -> str:
    """Without annotations: they are for us."""
    plain = policy.model_copy(update={"metadata": policy.metadata.model_copy(update={"annotations": {}})})
    kept = dump(plain)
    kept["metadata"] |= {"namespace": policy.metadata.namespace, "generation": policy.metadata.generation}
    return json.dumps(kept, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def config_map(prefix: str, namespace: str, data: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": names.bundle(prefix), "namespace": namespace, "labels": {names.MANAGED_BY: names.MANAGER}},
        "data": dict(data),
    }
