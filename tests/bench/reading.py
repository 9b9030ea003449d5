"""P3 and P4: an authorised look at one version, and a page of a list, of many assets and of few."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from urllib.parse import quote

from sqlalchemy import text

from holdfast.database.engine import Database
from tests.bench.measure import Goal, Result, in_turn
from tests.bench.rig import Scale, Servers, environment, installation
from tests.bench.running import Running, result_of, started
from tests.stacks import User

CLIENTS = 16
PAGE = 100
_ASSETS = """
INSERT INTO assets (workspace_id, asset_path, primary_filename, last_number, created_at)
SELECT :workspace, CONCAT('document/pdf/report-', LPAD(seq, 7, '0')), CONCAT('report-', LPAD(seq, 7, '0'), '.pdf'), 1,
  UTC_TIMESTAMP(6)
FROM seq_1_to_{count}
"""
_VERSIONS = """
INSERT INTO versions (workspace_id, asset_id, asset_path, number, version_id, upload_id, primary_filename, content_type, size,
  sha256, object_key, file_count, total_bytes, status, newest, archive_ttl, destroy_ttl, upload_date, active_since, archive_date,
  destroy_date, labels, uploaded_by)
SELECT workspace_id, id, asset_path, 1, LPAD(HEX(id), 64, '0'), LPAD(HEX(id), 32, '0'), primary_filename, 'application/pdf', 65536,
  LPAD(HEX(id), 64, '5'), CONCAT('data/', LPAD(HEX(id), 32, '0'), '/0'), 1, 65536, 'active', 1, 30, 365, created_at, created_at,
  created_at + INTERVAL 30 DAY, created_at + INTERVAL 395 DAY, :labels, 'ada'
FROM assets
"""


def metadata(servers: Servers, scale: Scale) -> list[Result]:
    """P3. Requests a second."""
    with installation(servers, objects=True) as stack:
        ada, cpu = stack.user("ada"), [0.0, 0.0]
        _fill(stack.values["database_url"], ada.workspace_id, 1)
        with stack.database.read() as connection:
            path, version = connection.execute(text("SELECT asset_path, version_id FROM versions")).one()
        head = f"GET /filedownload/{path}/{version} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {ada.token}"
        own = environment(stack)
        env = {**own, "BENCH_DATABASE": own["HOLDFAST_DATABASE_URL"], "BENCH_WORKSPACE": str(ada.workspace_id)}

        def rate(server: Running, side: int, count: int = scale.requests) -> float:
            before = server.cpu()
            result = result_of("tests.bench.load", {"port": server.port, "connections": CLIENTS, "count": count, "head": head})
            cpu[side] += server.cpu() - before
            return count / result["seconds"]

        with (
            started("holdfast.web.container", "filedownload", environment=env) as ours,
            started("tests.bench.peers.rows", "{port}", environment=env) as peer,
        ):
            for side, server in enumerate((ours, peer)):
                server.first("GET", f"/filedownload/{path}/{version}", headers=_bearer(ada))
                rate(server, side, scale.requests // 4)
            cpu[:] = 0.0, 0.0
            figures = in_turn(scale.rounds, lambda: rate(ours, 0), lambda: rate(peer, 1))
        each = scale.rounds * scale.requests / 1000
        what = f"authorised metadata GET by {CLIENTS} clients"
        return [Result(what, "/s", *figures, Goal(">=", 1.0), (cpu[0] / each, cpu[1] / each))]


def pages(servers: Servers, scale: Scale) -> list[Result]:
    """P4. Seconds of one page among many assets, at three depths, and in the middle of few; one client."""
    with ExitStack() as closing:
        many, few = (closing.enter_context(_listed(servers, count)) for count in (scale.many_assets, scale.few_assets))
        depths = {"near the beginning": 0.0, "in the middle": 0.5, "near the end": 0.99}
        cursors = dict(zip(depths, many.cursors([*depths.values()]), strict=True))
        [middle] = few.cursors([0.5])
        results = []
        for where, cursor in cursors.items():
            figures = in_turn(
                scale.rounds,
                partial(many.milliseconds, cursor, scale.pages),
                partial(few.milliseconds, middle, scale.pages),
            )
            what = f"page of {PAGE} {where} of {scale.many_assets} assets, against {scale.few_assets}"
            results.append(Result(what, "ms", *figures, Goal("<=", 1.1)))
        return results


class _Listed:
    """A workspace's list behind a server of its own."""

    def __init__(self, server: Running, user: User, count: int) -> None:
        self._server, self._user, self._count = server, user, count

    def page(self, cursor: str | None, limit: int = PAGE) -> str | None:
        """Asks for a page that is full; the next one's cursor."""
        path = f"/assets?limit={limit}" + (f"&cursor={quote(cursor)}" if cursor else "")
        found = json.loads(self._server.ask("GET", path, headers=_bearer(self._user)))
        assert len(found["items"]) == limit
        following: str | None = found["next_cursor"]
        return following

    def cursors(self, shares: list[float]) -> list[str]:
        """Of the pages that begin after (at least) these shares of the list, by walking there."""
        found: list[str] = []
        cursor, passed, step = None, 0, min(1000, self._count // 4)
        while len(found) < len(shares):
            if cursor is not None and passed >= shares[len(found)] * (self._count - 2 * step):
                found.append(cursor)
                continue
            cursor = self.page(cursor, step)
            passed += step
        return found

    def milliseconds(self, cursor: str, count: int) -> float:
        """The median of ``count`` pages."""
        times = []
        for _ in range(count):
            began = time.perf_counter()
            self.page(cursor)
            times.append(time.perf_counter() - began)
        return median(times) * 1000


@contextmanager
def _listed(servers: Servers, count: int) -> Iterator[_Listed]:
    with installation(servers) as stack:
        ada = stack.user("ada")
        _fill(stack.values["database_url"], ada.workspace_id, count)
        with started("holdfast.web.container", "assets", environment=environment(stack)) as server:
            server.first("GET", "/healthz")
            yield _Listed(server, ada, count)


def _fill(url: str, workspace: int, count: int) -> None:
    """Assets of one version each. A million take a minute or two."""
    database = Database(url)
    try:
        for statement in (_ASSETS, _VERSIONS):
            with database.engine.begin() as connection:
                connection.exec_driver_sql("SET innodb_lock_wait_timeout = 600, foreign_key_checks = 0")
                connection.execute(text(statement.format(count=count)), {"workspace": workspace, "labels": '{"project": "apollo"}'})
    finally:
        database.close()


def _bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {user.token}"}
