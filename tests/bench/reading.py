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

from tests.bench.filling import fill
from tests.bench.measure import Goal, Result, in_turn
from tests.bench.rig import Scale, Servers, environment, installation
from tests.bench.running import Running, result_of, started
from tests.stacks import User

CLIENTS = 16
PAGE = 100


def metadata(servers: Servers, scale: Scale) -> list[Result]:
    """P3. Requests a second."""
    with installation(servers, objects=True) as stack:
        ada, cpu = stack.user("ada"), [0.0, 0.0]
        fill(stack.values["database_url"], ada.workspace_id, 1)
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
        fill(stack.values["database_url"], ada.workspace_id, count)
        with started("holdfast.web.container", "assets", environment=environment(stack)) as server:
            server.first("GET", "/healthz")
            yield _Listed(server, ada, count)


def _bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {user.token}"}
