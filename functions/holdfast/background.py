"""What happens beside the requests: the queue's handlers, and what comes round by itself: the reconciliation, the trail's sealer,
the purge, and the scheduler of policies.

``holdfast serve`` runs all of it in its process, ``holdfast worker`` in one of its own; any number of them get on with each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from socket import socket

from holdfast.assets import ending, erasing, hashing, quarantine
from holdfast.assets import upkeep as assets_upkeep
from holdfast.assets.reconcile import Reconciled, reconcile
from holdfast.audit import retention, sealer, sealing
from holdfast.errors import Conflict
from holdfast.holds import placing, releasing
from holdfast.identity import upkeep as identity_upkeep
from holdfast.jobs import upkeep as jobs_upkeep
from holdfast.jobs.queue import Job
from holdfast.jobs.repeating import Repeating, Runner
from holdfast.jobs.worker import Handler, Worker
from holdfast.lifecycle import purging, undoing
from holdfast.lifecycle import upkeep as lifecycle_upkeep
from holdfast.lifecycle.own import sweep_own
from holdfast.lifecycle.scheduling import LOOK_SECONDS, MOUNT_SECONDS, look, tick
from holdfast.monitoring import metrics
from holdfast.services import Services
from holdfast.stopping import asked_to_stop
from holdfast.uploads import completing, finishing
from holdfast.uploads import ending as uploads_ending
from holdfast.uploads import upkeep as uploads_upkeep


def _erase(services: Services, job: Job) -> None:
    erasing.run(services, dict(job.payload))


def _hash(services: Services, job: Job) -> None:
    hashing.run(services, dict(job.payload))


def _condemn(services: Services, job: Job) -> None:
    ending.condemn(services, **job.payload)


def _undo(services: Services, job: Job) -> None:
    undoing.run(services, dict(job.payload))


def _place_hold(services: Services, job: Job) -> None:
    placing.go_on(services, **job.payload)


def _release_hold(services: Services, job: Job) -> None:
    releasing.go_on(services, **job.payload)


def _finish_upload(services: Services, job: Job) -> None:
    finishing.again(services, job.payload["upload_id"])


def _erase_session(services: Services, job: Job) -> None:
    uploads_ending.erase(services, dict(job.payload))


HANDLERS: Mapping[str, Handler] = {
    erasing.KIND: _erase,
    completing.KIND: _finish_upload,
    uploads_ending.KIND: _erase_session,
    hashing.KIND: _hash,
    ending.CONDEMN: _condemn,
    placing.KIND: _place_hold,
    releasing.KIND: _release_hold,
    undoing.KIND: _undo,
}
"""By the kind of job."""

LENGTHY = frozenset({hashing.KIND, completing.KIND})
"""Kinds of job that may take hours. They have a thread of their own, so that a hold, say, is not kept waiting by them."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What one round found: see ``Reconciled``; the jobs that were due and were run; and the rows of the trail that were sealed."""

    reconciled: Reconciled
    jobs: int
    sealed: int


def settle(services: Services) -> Settled:
    """One round of everything, to its end: what ``holdfast reconcile`` runs. Raises Unavailable when a store is away."""
    reconciled = _round(services)
    worker = Worker(services, HANDLERS)
    jobs = 0
    while worker.run_one():
        jobs += 1
    return Settled(reconciled, jobs, sealing.seal(services))


def _round(services: Services) -> Reconciled:
    reconciled = reconcile(services)
    releasing.release_due(services)
    ending.resume(services)
    quarantine.follow(services)
    for subject in (identity_upkeep, assets_upkeep, jobs_upkeep, lifecycle_upkeep, uploads_upkeep):
        subject.clean(services)
    sweep_own(services)
    retention.clean(services)
    return reconciled


def _purge(services: Services, stopping: threading.Event) -> None:
    with suppress(Conflict):  # another process is at it
        purging.purge(services, stopping=stopping.is_set)


def parts(services: Services, *, scheduling: bool) -> list[Runner]:
    """The workers, the reconciliation (at once, since the process before may have crashed), the sealer, the two looks that
    ``/metrics`` shows, the purge unless it is switched off, and, where CronJobs do not do that, the scheduler."""
    settings = services.settings
    prompt, lengthy = ({kind: act for kind, act in HANDLERS.items() if (kind in LENGTHY) == long} for long in (False, True))
    runners: list[Runner] = [
        Worker(services, prompt),
        Worker(services, lengthy, threads=1),
        Repeating("reconciliation", lambda _stopping: _round(services), settings.reconcile_seconds),
        Repeating("sealing", sealer.of(services), sealer.EVERY),
        Repeating("observation", lambda _stopping: metrics.observe(services), metrics.EVERY),
        Repeating("asking of stores", partial(metrics.ask, services), metrics.EVERY),
    ]
    if settings.purge_seconds:
        runners.append(Repeating("purge", lambda stopping: _purge(services, stopping), settings.purge_seconds))
    if scheduling and settings.scheduler:
        runners.append(Repeating("scheduling", partial(tick, services, told={}), LOOK_SECONDS))
    elif settings.policies is not None:
        runners.append(Repeating("forgetting of policies", lambda _stopping: look(services), MOUNT_SECONDS / 5))
    return runners


def run(services: Services, ready: Callable[[], None], listener: socket | None = None) -> None:
    """Runs all of it until SIGTERM or SIGINT; what is under way then is finished. Meanwhile it answers at ``listener`` how it does.
    To be called in the main thread."""
    asked = asked_to_stop()
    runners = services.start(scheduling=False)
    with nullcontext() if listener is None else _answering(services, listener, runners):
        ready()
        asked.wait()
        services.close()  # before the answers end: until the last job is done, the process is alive


def _answering(services: Services, listener: socket, runners: Sequence[Runner]) -> AbstractContextManager[None]:
    from holdfast.monitoring.answering import answering  # FastAPI, which a worker that nobody asks does without

    return answering(services.settings, listener, runners)
