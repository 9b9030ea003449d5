"""A folder of AssetPolicies, one YAML file each: the embedded default's, and what a job in a cluster has its ConfigMap as.

A file that we write is named ``<namespace>.<name>.yaml``; one that somebody else put there may have any name. A file that cannot
be read as a policy, and a second one of the same policy, is told, never passed over: it may be the one that keeps what the others
would destroy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from holdfast.errors import Invalid
from holdfast.policies.model import AssetPolicy, dump
from holdfast.policies.validating import validated

SUFFIX = ".yaml"
_SUFFIXES = {SUFFIX, ".yml"}


@dataclass(frozen=True, slots=True)
class Folder:
    """What is in one: the policies by their keys, and by file name what is wrong with the others. ``files``: the names of a
    policy's files, by its key; there should be one."""

    policies: Mapping[str, AssetPolicy]
    wrong: Mapping[str, str]
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def check(self) -> None:
        """Raises Invalid when a file cannot be read as a policy."""
        if self.wrong:
            name, message = next(iter(self.wrong.items()))
            raise Invalid(f"{name} is no AssetPolicy that can be read: {message}", slug="bad-policy")


NONE = Folder({}, {})


def read(folder: Path) -> Folder:
    """All that is in it. No folder is an empty one. Raises OSError."""
    policies: dict[str, AssetPolicy] = {}
    wrong: dict[str, str] = {}
    files: dict[str, list[str]] = {}
    for path in paths(folder):
        try:
            policy = parse(path.read_bytes())
        except Invalid as error:
            wrong[path.name] = error.detail
            continue
        except FileNotFoundError:  # removed since it was listed
            continue
        names = files.setdefault(policy.key, [])
        if names:
            wrong[path.name] = f"{policy.key} is in {names[0]} already."
        names.append(path.name)
        policies.setdefault(policy.key, policy)
    return Folder(policies, wrong, files)


def paths(folder: Path) -> list[Path]:
    """The files that should be policies, in the order of their names; none where there is no folder. Raises OSError."""
    return sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES) if folder.is_dir() else []


def put(folder: Path, policy: AssetPolicy, known: Folder = NONE) -> bool:
    """Writes its file, whole or not at all, and removes its others of ``known``; False when it says the same already. Raises
    OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / filename(policy)
    text = yaml.safe_dump(dump(policy), sort_keys=False, allow_unicode=True).encode()
    changed = not path.exists() or path.read_bytes() != text
    if changed:
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    for name in known.files.get(policy.key, ()):
        if name != path.name:
            (folder / name).unlink(missing_ok=True)
    return changed


def remove(folder: Path, policy: AssetPolicy, known: Folder = NONE) -> None:
    """Removes its file, and its others of ``known``. Raises OSError."""
    for name in {filename(policy), *known.files.get(policy.key, ())}:
        (folder / name).unlink(missing_ok=True)


def filename(policy: AssetPolicy) -> str:
    return f"{policy.metadata.namespace}.{policy.metadata.name}{SUFFIX}"


def parse(text: str | bytes) -> AssetPolicy:
    """One policy from YAML. Raises Invalid, which names what is wrong and where."""
    found = parse_all(text)
    if len(found) != 1:
        raise Invalid(f"One AssetPolicy is wanted here, not {len(found)}.", slug="bad-policy")
    return found[0]


def parse_all(text: str | bytes) -> list[AssetPolicy]:
    """All policies of a YAML stream. Raises Invalid."""
    try:
        documents = [document for document in yaml.load_all(text, _Loader) if document is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Invalid(f"This is no YAML: {' '.join(str(error).split())}", slug="bad-policy") from None
    return [validated(document) for document in documents]


class _Loader(yaml.SafeLoader):
    """Refuses a map that has a key twice, as ``kubectl`` does: which of the two was meant?"""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found
