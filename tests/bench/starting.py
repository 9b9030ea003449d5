"""P1 and P2: how soon the function ``token`` answers its first login, and what memory it takes, against a bare FastAPI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import update

from holdfast.database.tables import users
from holdfast.identity.names import user_key
from holdfast.identity.passwords import hashed
from tests.bench.measure import Goal, Result, in_turn
from tests.bench.rig import Scale, Servers, environment, installation
from tests.bench.running import Running, compiled, started

PASSWORD = "the password of a bench"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LOGINS = 10


def starts(servers: Servers, scale: Scale) -> list[Result]:
    """P1. Both are processes whose imports have all been compiled."""
    with _installed(servers) as env:
        ours = partial(_first, "holdfast.web.container", "token", env)
        peer = partial(_first, "tests.bench.peers.hello", "{port}", env)
        peer(), ours()  # once before, for the file cache
        return [Result("start to the first 200", "s", *in_turn(scale.starts, ours, peer), Goal("<=", 1.2))]


def memory(servers: Servers, scale: Scale) -> list[Result]:
    """P2."""
    with _installed(servers) as env:
        ours = partial(_memory, "holdfast.web.container", "token", env)
        peer = partial(_memory, "tests.bench.peers.hello", "{port}", env)
        return [Result(f"RSS after {LOGINS} requests", "MiB", *in_turn(scale.rounds, ours, peer), Goal("<=", 1.5))]


@contextmanager
def _installed(servers: Servers) -> Iterator[dict[str, str]]:
    """The settings of an installation with one user, ada."""
    compiled("functions", "tests/bench")
    with installation(servers) as stack:
        stack.user("ada")
        with stack.database.engine.begin() as connection:
            connection.execute(update(users).values(password_hash=hashed(PASSWORD), name_folded=user_key("ada")))
        yield environment(stack)


def _first(module: str, argument: str, env: dict[str, str]) -> float:
    with started(module, argument, environment=env) as server:
        return server.first("POST", "/token", _login(), FORM)


def _memory(module: str, argument: str, env: dict[str, str]) -> float:
    with started(module, argument, environment=env) as server:
        server.first("POST", "/token", _login(), FORM)
        for _ in range(LOGINS - 1):
            _ask(server)
        return server.rss() / 1024


def _ask(server: Running) -> None:
    server.ask("POST", "/token", _login(), FORM)


def _login() -> str:
    return f"username=ada&password={PASSWORD.replace(' ', '+')}"
