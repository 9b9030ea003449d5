"""The fault of references 003 and 001 that is the chart's, by its number."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.charts.rendering import PROFILES, containers, of_kind, pods, render
from tests.docs.pages import CHART


@pytest.mark.parametrize("profile", PROFILES)
def test_fault_003_18_every_image_is_of_a_fixed_version(profile: str) -> None:
    images = {container["image"] for _, pod in pods(render(PROFILES[profile])) for container in containers(pod)}
    assert len(images) > 20
    for image in images:
        tag = image.rpartition("/")[2].partition(":")[2]
        assert tag, image
        assert tag != "latest", image
        assert re.search(r"\d", tag) or image.startswith("holdfast/"), image  # ours may be those that were just built


def test_fault_003_18_no_password_is_in_the_values_and_each_release_has_its_own() -> None:
    for file in (CHART / "values.yaml", *PROFILES.values()):
        named = {name.rpartition(".")[2] for name in leaves(yaml.safe_load(file.read_text()))}
        assert not {name for name in named if re.search("(password|token|(access|secret|private)_?key)$", name, re.IGNORECASE)}, (
            file
        )
    one, other = (of_kind(render(), "Secret") for _ in range(2))
    made = [(name, key) for name, secret in one.items() for key in secret.get("data", {}) if not key.endswith("-access-key")]
    assert len(made) > 5
    assert not [where for where in made if one[where[0]]["data"][where[1]] == other[where[0]]["data"][where[1]]]


def leaves(value: object, name: str = "") -> list[str]:
    """The paths of all values that hold no others."""
    if isinstance(value, dict):
        return [leaf for key, one in value.items() for leaf in leaves(one, f"{name}.{key}")]
    if isinstance(value, list):
        return [leaf for one in value for leaf in leaves(one, name)]
    return [name]
