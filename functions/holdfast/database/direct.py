"""The light way to the database, for the hottest paths: plain SQL on the driver itself, without SQLAlchemy.

Statements are portable (``holdfast.database.portable``), rows are tuples, and connections are set up as the engine's are: the two
may work on one database side by side. JSON comes as text, and a BOOLEAN as 0 or 1. On SQLite a moment is recognised by its column:
as the value of an expression it is text.

``one``, ``all``  a read of what is committed; made again on a new connection when the pooled one turned out to be dead.
``execute``       one statement, in a transaction of its own.
``write``         a function run in one transaction, run again when the database gave it up as a deadlock's victim.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from holdfast.database.connecting import IDLE_SECONDS, DatabaseUnavailable
from holdfast.database.drivers import Deadlock, Driver, Lost, MySQL, SQLite
from holdfast.database.url import parse

T = TypeVar("T")
Row = tuple[Any, ...]

_NONE: Mapping[str, Any] = {}
_RECYCLE_SECONDS = 1800
_WAIT_SECONDS = 10
_ATTEMPTS = 8


class Transaction:
    """Statements on one connection. Not to be used after the function or block that it was handed to."""

    def __init__(self, driver: Driver, connection: Any) -> None:
        self._driver = driver
        self.connection = connection

    def one(self, statement: str, parameters: Mapping[str, Any] = _NONE) -> Row | None:
        """The first row, or None."""
        row: Row | None = self._driver.run(self.connection, statement, parameters).fetchone()
        return row

    def all(self, statement: str, parameters: Mapping[str, Any] = _NONE) -> list[Row]:
        """All rows."""
        return list(self._driver.run(self.connection, statement, parameters).fetchall())

    def execute(self, statement: str, parameters: Mapping[str, Any] = _NONE) -> int:
        """How many rows the statement's condition found, whether or not they were already as it makes them."""
        return int(self._driver.run(self.connection, statement, parameters).rowcount)


class _Pooled(Transaction):
    """A connection of the pool, in autocommit."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver, driver.connect())
        self.born = self.used = time.monotonic()
        self.dead = False

    def prepared(self, prepare: Callable[[_Pooled], None] | None) -> _Pooled:
        """This, after ``prepare`` has succeeded; it is closed when that raises."""
        if prepare is not None:
            try:
                prepare(self)
            except BaseException:
                self.close()
                raise
        return self

    def wake(self) -> None:
        """Makes sure that it lives, if it was not used for a while, as a write cannot just be repeated. Raises Lost."""
        if time.monotonic() - self.used > IDLE_SECONDS:
            self.one("SELECT 1")

    def begin(self) -> None:
        """Begins a transaction. Raises Lost."""
        self._driver.begin(self.connection)

    def roll_back(self) -> None:
        """Undoes the transaction; the server does that when the connection is dead."""
        try:
            self.connection.rollback()
        except Exception:  # whatever it says, the connection is of no more use
            self.dead = True

    def close(self) -> None:
        with suppress(Exception):
            self.connection.close()


class Direct:
    """A pool of connections, the last used first. Safe for many threads; make a new one after a fork."""

    def __init__(self, url: str, *, pool_size: int = 16) -> None:
        """``url`` as for ``Database``. ``pool_size`` connections are kept, and at most four times as many are used at once."""
        parsed = parse(url)
        self._driver: Driver = SQLite(parsed) if parsed.is_sqlite else MySQL(parsed)
        self._keep = pool_size
        self._idle: list[_Pooled] = []
        self._slots = threading.Semaphore(pool_size * 4)

    def one(self, statement: str, parameters: Mapping[str, Any] = _NONE) -> Row | None:
        """The first row, or None. Raises DatabaseUnavailable."""
        return self._read(Transaction.one, statement, parameters)

    def all(self, statement: str, parameters: Mapping[str, Any] = _NONE) -> list[Row]:
        """All rows. Raises DatabaseUnavailable."""
        return self._read(Transaction.all, statement, parameters)

    def execute(self, statement: str, parameters: Mapping[str, Any] = _NONE) -> int:
        """As a transaction's. Raises DatabaseUnavailable, after which it may be done or not."""

        def once() -> int:
            with self._lent(_Pooled.wake) as pooled:
                return pooled.execute(statement, parameters)

        return _repeated(once)

    def write(self, act: Callable[[Transaction], T]) -> T:
        """Runs ``act`` in one transaction and returns what it returns. ``act`` may run several times, so it touches nothing but the
        database. Raises DatabaseUnavailable, and whatever ``act`` raises (then nothing of it is kept)."""

        def once() -> T:
            with self._begun() as transaction:
                return act(transaction)

        return _repeated(once)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction: committed at the end of the block, rolled back when it raises. Raises DatabaseUnavailable, also for a
        deadlock's victim, which ``write`` would run again."""
        try:
            with self._begun() as transaction:
                yield transaction
        except (Lost, Deadlock) as error:
            raise DatabaseUnavailable from error

    def check(self) -> None:
        """Raises DatabaseUnavailable unless the database answers and can be written to (readiness)."""
        [read_only] = self.one(self._driver.read_only) or (1,)
        if read_only:
            raise DatabaseUnavailable

    def close(self) -> None:
        """Closes every connection, those in use when they come back."""
        self._keep = 0
        self._close_idle()

    def _read(self, how: Callable[[Transaction, str, Mapping[str, Any]], T], statement: str, parameters: Mapping[str, Any]) -> T:
        try:
            try:
                with self._lent() as pooled:
                    return how(pooled, statement, parameters)
            except Lost:
                with self._lent(fresh=True) as pooled:
                    return how(pooled, statement, parameters)
        except (Lost, Deadlock) as error:
            raise DatabaseUnavailable from error

    @contextmanager
    def _lent(self, prepare: Callable[[_Pooled], None] | None = None, *, fresh: bool = False) -> Iterator[_Pooled]:
        pooled = self._take(prepare, fresh)
        try:
            yield pooled
        except Deadlock:
            raise
        except BaseException as error:
            pooled.dead = True  # a reply may be half read
            if isinstance(error, Lost):
                self._close_idle()  # they have died with it
            raise
        finally:
            self._give(pooled)

    @contextmanager
    def _begun(self) -> Iterator[Transaction]:
        pooled = self._take(_Pooled.begin, fresh=False)
        try:
            yield pooled
            self._driver.commit(pooled.connection)
        except BaseException:
            pooled.roll_back()
            raise
        finally:
            self._give(pooled)

    def _take(self, prepare: Callable[[_Pooled], None] | None, fresh: bool) -> _Pooled:
        """A connection on which ``prepare`` succeeded: a pooled one, unless that is dead or a fresh one is asked for."""
        if not self._slots.acquire(timeout=_WAIT_SECONDS):
            raise DatabaseUnavailable
        try:
            pooled = None if fresh else self._pop()
            if pooled is not None:
                try:
                    return pooled.prepared(prepare)
                except Lost:
                    self._close_idle()  # they have died with it
            return _Pooled(self._driver).prepared(prepare)
        except BaseException:
            self._slots.release()
            raise

    def _pop(self) -> _Pooled | None:
        while True:
            try:
                pooled = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - pooled.born < _RECYCLE_SECONDS:
                return pooled
            pooled.close()

    def _give(self, pooled: _Pooled) -> None:
        pooled.used = time.monotonic()
        if pooled.dead:
            pooled.close()
        elif len(self._idle) < self._keep:
            self._idle.append(pooled)
        else:
            pooled.close()
        self._slots.release()

    def _close_idle(self) -> None:
        while (pooled := self._pop()) is not None:
            pooled.close()


def _repeated(once: Callable[[], T]) -> T:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return once()
        except Lost as error:
            raise DatabaseUnavailable from error
        except Deadlock as error:
            if attempt == _ATTEMPTS:
                raise DatabaseUnavailable from error
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311  spreads the rivals, guards nothing
    raise AssertionError("unreachable")
