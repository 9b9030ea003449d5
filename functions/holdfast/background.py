"""What happens beside the requests: the queue's handlers, and the reconciliation that comes round by itself.

``holdfast serve`` runs both in its process, ``holdfast worker`` in one of their own; any number of them get on with each other.
"""

from __future__ import annotations

import logging
import random
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holdfast.assets import ending, erasing
from holdfast.assets import upkeep as assets_upkeep
from holdfast.assets.reconcile import Reconciled, reconcile
from holdfast.errors import Unavailable
from holdfast.holds import placing, releasing
from holdfast.identity import upkeep as identity_upkeep
from holdfast.jobs import upkeep as jobs_upkeep
from holdfast.jobs.queue import Job
from holdfast.jobs.worker import Handler, Worker
from holdfast.lifecycle import undoing
from holdfast.lifecycle.own import sweep_own
from holdfast.lifecycle.scheduling import Scheduler
from holdfast.services import Services

_log = logging.getLogger(__name__)


def _erase(services: Services, job: Job) -> None:
    erasing.run(services, dict(job.payload))


def _condemn(services: Services, job: Job) -> None:
    ending.condemn(services, **job.payload)


def _undo(services: Services, job: Job) -> None:
    undoing.run(services, dict(job.payload))


def _place_hold(services: Services, job: Job) -> None:
    placing.go_on(services, **job.payload)


def _release_hold(services: Services, job: Job) -> None:
    releasing.go_on(services, **job.payload)


HANDLERS: Mapping[str, Handler] = {
    erasing.KIND: _erase,
    ending.CONDEMN: _condemn,
    placing.KIND: _place_hold,
    releasing.KIND: _release_hold,
    undoing.KIND: _undo,
}
"""By the kind of job."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What one round found: see ``Reconciled``; and the jobs that were due and were run."""

    reconciled: Reconciled
    jobs: int


def settle(services: Services) -> Settled:
    """One round of everything, to its end: what ``holdfast reconcile`` runs. Raises Unavailable when a store is away."""
    reconciled = _round(services)
    worker = Worker(services, HANDLERS)
    jobs = 0
    while worker.run_one():
        jobs += 1
    return Settled(reconciled, jobs)


def _round(services: Services) -> Reconciled:
    reconciled = reconcile(services)
    releasing.release_due(services)
    ending.resume(services)
    for subject in (identity_upkeep, assets_upkeep, jobs_upkeep):
        subject.clean(services)
    sweep_own(services)
    return reconciled


def parts(services: Services, *, scheduling: bool) -> list[tuple[Callable[[], None], Callable[[], None]]]:
    """What to start and how to stop it: the worker, the reconciliation, and, where CronJobs do not do that, the scheduler."""
    worker, rounds, scheduler = Worker(services, HANDLERS), _Rounds(services), Scheduler(services)
    always = [(worker.start, worker.stop), (rounds.start, rounds.stop)]
    return [*always, (scheduler.start, scheduler.stop)] if scheduling else always


def run(services: Services, ready: Callable[[], None]) -> None:
    """Runs all of it until SIGTERM or SIGINT; what is under way then is finished. To be called in the main thread."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    services.start(scheduling=False)
    ready()
    asked.wait()


class _Rounds:
    """Reconciles at once, since the process before may have crashed, and then every ``reconcile_seconds``."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconcile")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                _round(self._services)
            except Unavailable as away:
                _log.warning("reconciliation put off: %s", away.slug)
            except Exception:  # the next round may do better, and nobody else would
                _log.exception("reconciliation failed")
            # Replicas that started together part.
            pause = self._services.settings.reconcile_seconds * random.uniform(0.8, 1.2)  # noqa: S311
