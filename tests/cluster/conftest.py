"""A cluster with the CustomResourceDefinition, and an installation of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.world import World, install_crd
from tests.servers.kubernetes import Kubernetes


@pytest.fixture(scope="session")
def served(kubernetes: Kubernetes) -> Kubernetes:
    install_crd(kubernetes)
    return kubernetes


@pytest.fixture
def world(served: Kubernetes) -> Iterator[World]:
    world = World(served)
    yield world
    world.remove()
