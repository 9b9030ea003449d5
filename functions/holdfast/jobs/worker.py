"""The worker: threads that claim jobs and run their handlers, for as long as the process lives.

A job of a kind that this release does not know stays pending, for the workers of the release that does. While a handler runs its
lease is prolonged; when the process dies, the lease runs out and another worker takes the job.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from holdfast.errors import Unavailable
from holdfast.jobs import queue
from holdfast.jobs.queue import Job

if TYPE_CHECKING:
    from holdfast.services import Services

Handler = Callable[["Services", Job], None]
"""Does what the job says. Idempotent. Whatever it raises is a failed attempt, but for Unavailable: then it was none."""

_log = logging.getLogger(__name__)


class Worker:
    """``start`` and ``stop`` are each called once. A worker that was not started can still run jobs one by one (``run_one``)."""

    def __init__(
        self,
        services: Services,
        handlers: Mapping[str, Handler],
        *,
        threads: int = 2,
        lease_seconds: int = 60,
        first_wait: float = 0.25,
        longest_wait: float = 5.0,
        stalled_seconds: float = 300.0,
    ) -> None:
        """``first_wait`` and ``longest_wait``: seconds between looks into an empty queue, doubling from one to the other.
        ``stalled_seconds``: after which a thread that neither looks nor runs a job stands still; longer than a database takes to be
        found away."""
        self._services = services
        self._handlers = dict(handlers)
        self._lease_seconds = lease_seconds
        self._waits = (first_wait, longest_wait)
        self._stalled_seconds = stalled_seconds
        self._looked: dict[str, float] = {}  # by thread: when it last turned to the queue; for ever while it runs a job
        self._changed = threading.Condition()
        self._nudges = 0
        self._stopping = False
        self._running: dict[str, Job] = {}
        self._threads = [threading.Thread(target=self._work, name=f"worker-{number}") for number in range(threads)]
        self._renewer = threading.Thread(target=self._renew, name="worker-leases")
        self._at_rest = threading.Event()

    def start(self) -> None:
        """Begins to work: at once when a job is added in this process, and when a look finds one."""
        self._services.database.listen(queue.ADDED, self._nudge)
        for thread in (*self._threads, self._renewer):
            thread.start()

    def stop(self) -> None:
        """Claims no more, and returns when what runs has finished."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._at_rest.set()
        self._renewer.join()

    def alive(self) -> bool:
        """Whether all threads are there and none stands still. One that runs a job does not, however long that takes."""
        longest_ago = time.monotonic() - self._stalled_seconds
        there = all(thread.is_alive() for thread in (*self._threads, self._renewer))
        return there and all(looked >= longest_ago for looked in list(self._looked.values()))

    def _nudge(self) -> None:
        with self._changed:
            self._nudges += 1
            self._changed.notify_all()

    def run_one(self) -> bool:
        """Claims the next job and runs it to its end; False when there is none. Raises DatabaseUnavailable."""
        job = queue.claim(self._services.database, self._handlers, self._lease_seconds)
        if job is None:
            return False
        self._running[job.claim] = job
        self._looks(math.inf)
        try:
            self._run(job)
        finally:
            del self._running[job.claim]
            self._looks(time.monotonic())
        return True

    def _run(self, job: Job) -> None:
        database = self._services.database
        try:
            self._handlers[job.kind](self._services, job)
        except Unavailable as error:  # not the job's fault
            _log.warning("job %d (%s) has to wait: %s", job.id, job.kind, error)
            ours = queue.postpone(database, job, _said(error))
        except Exception as error:
            _log.exception("job %d (%s) failed, attempt %d", job.id, job.kind, job.attempts)
            ours = queue.fail(database, job, _said(error))
        else:
            ours = queue.done(database, job)
        if not ours:
            _log.warning("job %d (%s) was taken over by another worker", job.id, job.kind)

    def _looks(self, at: float) -> None:
        self._looked[threading.current_thread().name] = at

    def _work(self) -> None:
        first, longest = self._waits
        wait = first
        while True:
            with self._changed:
                if self._stopping:
                    return
                nudges = self._nudges
            self._looks(time.monotonic())
            if self._found():
                wait = first
                continue
            with self._changed:
                nudged = self._changed.wait_for(lambda: self._stopping or self._nudges != nudges, wait)  # noqa: B023
            wait = first if nudged else min(wait * 2, longest)

    def _found(self) -> bool:
        try:
            return self.run_one()
        except Unavailable:
            _log.warning("the queue cannot be reached at the moment")
        except Exception:  # a thread that ended would be missed by nobody
            _log.exception("a worker stumbled")
        return False

    def _renew(self) -> None:
        while not self._at_rest.wait(self._lease_seconds / 3):
            for job in list(self._running.values()):
                try:
                    queue.heartbeat(self._services.database, job, self._lease_seconds)
                except Exception:  # then the next one may come in time
                    _log.warning("the lease of job %d could not be prolonged", job.id, exc_info=True)


def _said(error: Exception) -> str:
    return "".join(traceback.format_exception_only(error)).strip()
