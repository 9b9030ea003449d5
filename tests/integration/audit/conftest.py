"""A trail on each kind of database, and hands that write to it and tamper with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from holdfast.audit import heads, sealing
from holdfast.audit.trail import entry, record
from holdfast.audit.verify import verify
from holdfast.database.tables import audit_seals
from holdfast.disagreement import Disagreement
from holdfast.services import Services
from holdfast.settings import Settings
from tests.databases import ALL_KINDS, fresh_file
from tests.stacks import Databases


class Trail:
    """An installation of which only the trail counts. ``now`` is what its clock says."""

    def __init__(self, url: str, data: Path) -> None:
        self.now = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
        self._settings = Settings(data=data, database_url=url)
        self._made: list[Services] = []
        self.services = self.another()

    def another(self) -> Services:
        """The services of another process."""
        self._made.append(Services(self._settings, lambda: self.now))
        return self._made[-1]

    def write(self, *operations: str, workspace: str | None = "ada_space", **details: Any) -> None:
        """A row for each of them, in one transaction."""
        self.now += timedelta(seconds=1)
        rows = [entry(one, self.now, workspace=workspace, username="ada", **details) for one in operations]
        self.services.database.write(lambda connection: record(connection, *rows))

    def seal(self) -> int:
        return sealing.seal(self.services)

    def verify(self, *heads: str) -> list[str]:
        """The problems, and nothing else."""
        return [one.problem for one in verify(self.services, heads) if isinstance(one, Disagreement)]

    def heads(self) -> list[str]:
        with self.services.database.read() as connection:
            return list(connection.scalars(heads._heads().with_only_columns(audit_seals.c.signed)))

    def sql(self, statement: str, **parameters: Any) -> None:
        """What somebody does who may do everything in the database."""
        self.services.database.write(lambda connection: connection.execute(text(statement), parameters))

    def seals(self) -> list[tuple[int, int, int]]:
        """Chain, number and rows of each."""
        s = audit_seals.c
        with self.services.database.read() as connection:
            return [
                tuple(row) for row in connection.execute(select(s.chain_id, s.number, s.row_count).order_by(s.chain_id, s.number))
            ]

    def close(self) -> None:
        for one in self._made:
            one.close()


@pytest.fixture(params=ALL_KINDS)
def trail(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Iterator[Trail]:
    if request.param == "sqlite":
        fresh = nullcontext(fresh_file(tmp_path))
    else:
        fresh = databases.fresh(request.param, request.getfixturevalue(request.param))  # type: ignore[assignment]
    with fresh as url:
        trail = Trail(url, tmp_path)
        yield trail
        trail.close()
