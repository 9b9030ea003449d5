"""Every bench runs, at a small size, so that none rots. What it measures so says nothing, and is not looked at; but the memory that
a large upload takes, of which no load makes more."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import pytest

from tests.bench import table
from tests.bench.measure import Goal, Result
from tests.bench.rig import SMALL
from tests.bench.rows import ROWS
from tests.servers.kubernetes import Kubernetes
from tests.servers.lakefs import LakeFS
from tests.servers.mariadb import MariaDB
from tests.servers.seaweedfs import SeaweedFS


@dataclass(frozen=True)
class RunServers:
    """Those of the test run."""

    request: pytest.FixtureRequest

    @property
    def mariadb(self) -> MariaDB:
        server: MariaDB = self.request.getfixturevalue("mariadb")
        return server

    @property
    def seaweedfs(self) -> SeaweedFS:
        server: SeaweedFS = self.request.getfixturevalue("seaweedfs")
        return server

    @property
    def lakefs(self) -> LakeFS:
        server: LakeFS = self.request.getfixturevalue("lakefs")
        return server

    @property
    def kubernetes(self) -> Kubernetes:
        server: Kubernetes = self.request.getfixturevalue("kubernetes")
        return server


ON_A_CLUSTER = pytest.mark.xdist_group("kubernetes")


@pytest.mark.parametrize("name", [pytest.param(name, marks=ON_A_CLUSTER if name == "P10" else ()) for name in ROWS])
def test_each_bench_measures_both_sides(name: str, request: pytest.FixtureRequest) -> None:
    results = ROWS[name].run(RunServers(request), SMALL)
    assert results
    for result in results:
        assert len(result.ours) == len(result.peer) or not result.goal.ratio
        assert isfinite(result.figure)
        assert result.met or name != "P6", f"{result.what}: {result.figure} {result.unit}"


def test_the_ratio_is_the_median_of_the_rounds_own_so_that_a_busy_round_does_not_count() -> None:
    result = Result("reads", "/s", [100, 50, 90], [200, 100, 90], Goal(">=", 0.6))
    assert result.figure == 0.5
    assert not result.met


def test_a_missed_goal_says_by_how_much_and_what_holds_it_back() -> None:
    missed = Result("small uploads", "/s", [50.0], [100.0], Goal(">=", 0.6), cpu=(8.0, 2.0))
    met = Result("start", "s", [1.0], [1.0], Goal("<=", 1.2))
    page = table.page({"P7 sql": [missed], "P1": [met]}, {"Python": "3.11"}, "two processors")
    assert "missed by 17 %" in page
    assert ROWS["P7 sql"].held_back in page
    assert "**met**" in page
