"""All stores together, and what follows from them about one policy."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from holdfast.policies.model import AssetPolicy
from holdfast.policies.status import Conflict
from holdfast.policies.words import Action, Mode
from holdfast_operator import jobs, names, reports
from holdfast_operator import status as statuses
from holdfast_operator.accepting import Accepted, Refused, accept
from holdfast_operator.cluster import Body
from holdfast_operator.cronjobs import Purpose, owner_of
from holdfast_operator.settings import Settings
from holdfast_operator.stores import Store, key_of

_MOST_JOBS = 5_000
"""Jobs whose pods' last words are kept, should their Job never be seen to go."""


class Knowledge:
    """``look``: told of keys of policies that something changed about. ``bundle``: told when what all Jobs are told may have
    changed."""

    def __init__(self, settings: Settings, look: Callable[[str], None], bundle: Callable[[], None]) -> None:
        self._settings, self._tell, self._bundle = settings, look, bundle
        self._mine = threading.local()
        self._lock = threading.RLock()
        self._accepted: dict[str, tuple[tuple[str, int], Accepted | Refused]] = {}
        self._conflicts: dict[str, dict[str, list[Conflict]]] = {}
        self._owned: dict[str, dict[str, dict[str, Body]]] = {"cron_jobs": {}, "jobs": {}}
        self._pods: dict[str, dict[str, Body]] = {}
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._taken: dict[str, str] = {}
        self.policies = Store(self._policy_changed)
        self.cron_jobs = Store(self._cron_job_changed)
        self.jobs = Store(self._job_changed)
        self.pods = Store(self._pod_changed)
        self.config_maps = Store(lambda _before, _after: bundle())

    @contextmanager
    def at_work_on(self, key: str) -> Iterator[None]:
        """What this thread puts into the stores meanwhile is what it made of ``key``: that policy is not looked at again for it."""
        self._mine.key = key
        try:
            yield
        finally:
            self._mine.key = None

    def accepted(self, body: Body) -> Accepted | Refused:
        key, version = key_of(body), (body["metadata"]["uid"], body["metadata"]["generation"])
        with self._lock:
            known = self._accepted.get(key)
        if known is None or known[0] != version:
            known = version, accept(body, self._settings, self._settings.namespace)
            with self._lock:
                self._accepted[key] = known
        return known[1]

    def in_bundle(self) -> Iterable[tuple[str, AssetPolicy]]:
        """Policies that every Job is told of, with their creation timestamps."""
        for body in self.policies.all():
            accepted = self.accepted(body)
            if isinstance(accepted, Accepted) and not accepted.policy.spec.suspend:
                yield body["metadata"]["creationTimestamp"], accepted.policy

    def enforces(self, key: str) -> bool:
        body = self.policies.get(key)
        accepted = self.accepted(body) if body is not None else None
        return isinstance(accepted, Accepted) and accepted.policy.enforcing

    def conflicts_with(self, key: str) -> list[Conflict]:
        """Those that other policies' runs found, the largest first."""
        with self._lock:
            found = [
                Conflict(policy=other, action=one.action, items=one.items, reported_by="other")
                for other, conflicts in self._conflicts.get(key, {}).items()
                for one in conflicts
            ]
        return sorted(found, key=lambda one: (-one.items, one.policy, one.action))[:10]

    def cron_jobs_of(self, key: str) -> list[Body]:
        """Those that are ours: they say so, and have the name that we give. A copy by another name is somebody else's."""
        mine = {names.cron_job(self._settings.name_prefix, key, action) for action in Action}
        with self._lock:
            return [one for one in self._owned["cron_jobs"].get(key, {}).values() if one["metadata"]["name"] in mine]

    def jobs_of(self, key: str) -> list[Body]:
        with self._lock:
            return list(self._owned["jobs"].get(key, {}).values())

    def pods_of(self, job_uid: str) -> list[Body]:
        """Pods of that Job that have ended, also those that are gone by now."""
        with self._lock:
            return list(self._pods.get(job_uid, {}).values())

    def name_taken(self, cron_job: str, key: str) -> None:
        """The policy ``key`` is looked at again when that CronJob, which is not ours, is gone."""
        with self._lock:
            self._taken[cron_job] = key

    def room_for_preview(self, key: str) -> bool:
        """Whether one more preview may run. If not, the policy is looked at again when there may be."""
        running = sum(_running_preview(job) for job in self.jobs.all())
        with self._lock:
            if running < self._settings.previews:
                self._waiting.pop(key, None)
                return True
            self._waiting[key] = None
            return False

    def _look(self, key: str) -> None:
        if key != getattr(self._mine, "key", None):
            self._tell(key)

    def _policy_changed(self, before: Body | None, after: Body | None) -> None:
        body = after or before
        assert body is not None
        key = key_of(body)
        if before is None or after is None or _spec_changed(before, after):
            self._bundle()
        with self._lock:
            if after is None:
                self._accepted.pop(key, None)
            named = self._index(key, before, after)
            if before is None or after is None or _acting(before) != _acting(after):
                named |= set(self._conflicts.get(key, {}))
        for one in {key, *named}:
            self._look(one)

    def _index(self, key: str, before: Body | None, after: Body | None) -> set[str]:
        """Keeps who was found to conflict with whom; the policies of which that changed."""
        old, new = (_found(one) for one in (before, after))
        if old == new:
            return set()
        for other in old:
            self._conflicts.get(other, {}).pop(key, None)
        for other, conflicts in new.items():
            self._conflicts.setdefault(other, {})[key] = conflicts
        return set(old) | set(new)

    def _owned_changed(self, kind: str, before: Body | None, after: Body | None) -> None:
        for body in (before, after):
            key = owner_of(body) if body is not None else None
            if body is None or key is None:
                continue
            with self._lock:
                owned = self._owned[kind].setdefault(key, {})
                owned.pop(body["metadata"]["uid"], None)
                if body is after:
                    owned[body["metadata"]["uid"]] = body
                if not owned:
                    del self._owned[kind][key]
            self._look(key)

    def _cron_job_changed(self, before: Body | None, after: Body | None) -> None:
        self._owned_changed("cron_jobs", before, after)
        if after is None and before is not None:
            with self._lock:
                blocked = self._taken.pop(key_of(before), None)
            if blocked is not None:
                self._look(blocked)

    def _job_changed(self, before: Body | None, after: Body | None) -> None:
        self._owned_changed("jobs", before, after)
        if before is not None and (after is None or _running_preview(before) > _running_preview(after)):
            with self._lock:
                waiting = self._waiting.popitem(last=False)[0] if self._waiting else None
                if after is None:
                    self._pods.pop(before["metadata"]["uid"], None)
            if waiting is not None:
                self._look(waiting)

    def _pod_changed(self, _before: Body | None, after: Body | None) -> None:
        job = reports.controller_uid(after, "Job") if after is not None and reports.said(after) is not None else None
        if job is not None and after is not None:
            with self._lock:
                self._pods.setdefault(job, {})[after["metadata"]["uid"]] = after
                while len(self._pods) > _MOST_JOBS:
                    del self._pods[next(iter(self._pods))]


def _found(body: Body | None) -> dict[str, list[Conflict]]:
    found: dict[str, list[Conflict]] = {}
    for one in statuses.known(body).conflicts if body is not None else []:
        if one.reported_by == "self":
            found.setdefault(one.policy, []).append(one)
    return found


def _spec_changed(before: Body, after: Body) -> bool:
    return (before["metadata"]["uid"], before["metadata"]["generation"]) != (
        after["metadata"]["uid"],
        after["metadata"]["generation"],
    )


def _acting(body: Body) -> Any:
    spec = body.get("spec") or {}
    return spec.get("mode") == Mode.ENFORCE, bool(spec.get("suspend"))


def _running_preview(job: Body) -> bool:
    ours = (job["metadata"].get("labels") or {}).get(names.MANAGED_BY) == names.MANAGER
    return ours and jobs.purpose(job) is Purpose.PREVIEW and jobs.finished(job) is None
