"""Everything that runs: stores and watches, the ConfigMap, the workers, and the periodic look at all of it."""

from __future__ import annotations

import logging
import threading
import time
from itertools import chain, repeat
from typing import Any

from holdfast_operator import metrics
from holdfast_operator.bundling import Bundler
from holdfast_operator.cluster import CONFIG_MAPS, CRON_JOBS, JOBS, PODS, POLICIES, Body, Cluster, Refusal, Unreachable
from holdfast_operator.knowledge import Knowledge
from holdfast_operator.names import MANAGED_BY, MANAGER, bundle
from holdfast_operator.queue import Queue
from holdfast_operator.reconciling import Reconciler
from holdfast_operator.settings import Settings
from holdfast_operator.stores import Reflector, key_of

log = logging.getLogger(__name__)

_EARLY = (2.0, 10.0, 30.0)
"""Seconds between the first looks at the policies. kopf lists and watches them some time after we have read them, and who goes in
between is in no event."""


class Operator:
    """``start`` once, then ``saw`` each event of a policy, then ``stop``."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self._cluster, self._settings = cluster, settings
        self._queue = Queue()
        unsettled = threading.Event()
        self._knowledge = known = Knowledge(settings, self._queue.add, unsettled.set)
        self._bundler = Bundler(cluster, settings, known, unsettled, self._look_at)
        self._reconciler = Reconciler(cluster, settings, known, self._bundler)
        ours = {"labelSelector": f"{MANAGED_BY}={MANAGER}"}
        named = {"fieldSelector": f"metadata.name={bundle(settings.name_prefix)}"}
        self._reflectors = [
            Reflector(cluster, kind, settings.namespace, store, settings.watch_seconds, query)
            for kind, store, query in (
                (CRON_JOBS, known.cron_jobs, None),  # all of them: also those whose names are taken from us
                (JOBS, known.jobs, ours),
                (PODS, known.pods, ours),
                (CONFIG_MAPS, known.config_maps, named),
            )
        ]
        self._stop = threading.Event()
        self._workers: list[threading.Thread] = []

    def start(self) -> None:
        """Returns when all is known and at work. Raises Refusal and Unreachable."""
        self._read_policies()  # first: nobody may take CronJobs for those of no policy
        for reflector in self._reflectors:
            reflector.start()
        self._bundler.start()
        self._workers = [
            threading.Thread(target=self._work, name=f"worker-{n}", daemon=True) for n in range(self._settings.workers)
        ]
        for worker in self._workers:
            worker.start()
        threading.Thread(target=self._resync, name="resync", daemon=True).start()

    def saw(self, kind: str | None, body: Body) -> None:
        """An event of a policy's watch: ADDED, MODIFIED or DELETED; None for what was there when it began."""
        if kind == "DELETED":
            self._knowledge.policies.drop(body)
        else:
            self._knowledge.policies.put(body)

    def stop(self) -> None:
        """Returns when nobody is in the middle of a policy any more."""
        self._stop.set()
        self._queue.close()
        self._bundler.stop()
        for reflector in self._reflectors:
            reflector.stop()
        for worker in self._workers:
            worker.join(timeout=30)

    def state(self) -> dict[str, Any]:
        """For whoever asks how it does."""
        return {"policies": len(self._knowledge.policies.all()), "cronJobs": len(self._knowledge.cron_jobs.all())}

    def _look_at(self, keys: Any) -> None:
        for key in keys:
            self._queue.add(key)

    def _read_policies(self) -> None:
        lists = [self._cluster.list(POLICIES, namespace) for namespace in self._settings.watched()]
        # By the oldest of the lists, so that what came between two of them is not taken for gone.
        version = min((version for _, version in lists), key=int)
        self._knowledge.policies.replace([body for bodies, _ in lists for body in bodies], version)

    def _work(self) -> None:
        while (key := self._queue.take()) is not None:
            try:
                self._reconciler.reconcile(key)
            except (Refusal, Unreachable) as error:
                self._try_again(key, error)
            except Exception:  # one policy's trouble is not the others'
                log.exception("policy %s could not be looked at", key)
                metrics.RECONCILED.labels("error").inc()
                self._queue.failed(key)
            else:
                metrics.RECONCILED.labels("done").inc()
                self._queue.done(key)

    def _try_again(self, key: str, error: Refusal | Unreachable) -> None:
        stale = isinstance(error, Refusal) and error.status in (404, 409)
        log.log(logging.INFO if stale else logging.WARNING, "policy %s is looked at again: %s", key, error)
        metrics.RECONCILED.labels("stale" if stale else "failed").inc()
        if stale:
            self._refresh(key)
        self._queue.failed(key)

    def _refresh(self, key: str) -> None:
        """What we knew was not what is."""
        namespace, name = key.split("/")
        try:
            body, known = self._cluster.get(POLICIES, namespace, name), self._knowledge.policies.get(key)
            if body is not None:
                self._knowledge.policies.put(body)
            elif known is not None:
                self._knowledge.policies.drop(known)
            self._reflectors[0].read()
        except (Refusal, Unreachable) as error:
            log.warning("policy %s could not be read anew: %s", key, error)

    def _resync(self) -> None:
        """Whatever the watches missed."""
        metrics.LAST_RESYNC.set(time.time())  # by ``start``
        usual = self._settings.resync_seconds
        for pause, early in chain(((min(seconds, usual), True) for seconds in _EARLY), repeat((usual, False))):
            self._count()
            if self._stop.wait(pause):
                return
            try:
                self._read_policies()
                if early:
                    continue
                for reflector in self._reflectors:
                    reflector.read()
                metrics.LAST_RESYNC.set(time.time())
            except (Refusal, Unreachable) as error:
                log.warning("not everything could be read anew: %s", error)
                continue
            self._look_at([key_of(body) for body in self._knowledge.policies.all()])

    def _count(self) -> None:
        metrics.show(self._knowledge.policies.all())
