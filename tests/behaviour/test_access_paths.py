"""What reads some hundred assets reads these, and not the whole table, also when the database's statistics are out of date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, text, update
from tests.bench.filling import fill
from tests.stacks import SQL, Stack

from holdfast.assets.newest import refresh_many
from holdfast.database import tables as t
from holdfast.lifecycle import facts
from holdfast.usage import counters

COUNT, SOME = 4000, 500
READS: dict[str, Callable[[Connection, list[int]], object]] = {
    "facts": lambda connection, ids: [*facts.of_assets(connection, "ada_space", ids)],
    "newest": lambda connection, ids: refresh_many(connection, ids, ("active", "archived")),
    "current": counters.current,
}


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_it_goes_by_an_index_whatever_the_statistics_say(stack: Stack) -> None:
    ada = stack.user("ada")
    fill(stack.values["database_url"], ada.workspace_id, COUNT, age=60, ttls=(None, None))
    v = t.versions.c
    with stack.database.engine.begin() as connection:
        connection.execute(text("ANALYZE TABLE versions"))
    with stack.database.engine.begin() as connection:
        connection.execute(update(t.versions).where(v.id % 2 == 0).values(status="archived"))
        ids = list(connection.scalars(select(v.asset_id).order_by(v.id).limit(SOME)))
        for name, read in READS.items():
            examined = {plan["table"]: plan for plan in explained(connection, lambda read=read: read(connection, ids))}  # type: ignore[misc]
            assert examined["versions"]["type"] in {"range", "ref"}, (name, examined)


def explained(connection: Connection, act: Callable[[], object]) -> list[dict[str, Any]]:
    """How the database would carry out the first statement of ``act``."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        statements.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(connection, "before_cursor_execute", note)
    statement, parameters = statements[0]
    return [dict(step) for step in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings()]
