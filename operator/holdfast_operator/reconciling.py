"""Carries out what is decided about a policy: CronJobs, Jobs, status, Events.

Everything starts from what is there, so that a crash anywhere leaves something that the next look finishes: CronJobs and Jobs have
names that say what they are for, a report counts before its Job is marked, and a status is written only over the one that it
was made from.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from holdfast.policies.status import Condition, Status
from holdfast.policies.words import Action
from holdfast_operator import cronjobs, jobs, metrics, names, reports
from holdfast_operator import status as statuses
from holdfast_operator.accepting import Accepted, Refused
from holdfast_operator.bundling import Bundler
from holdfast_operator.cluster import CRON_JOBS, EVENTS, JOBS, PODS, POLICIES, Body, Cluster, Refusal, Unreachable
from holdfast_operator.cronjobs import Purpose
from holdfast_operator.knowledge import Knowledge
from holdfast_operator.settings import Settings
from holdfast_operator.stores import key_of

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


def now() -> datetime:
    """In whole seconds, as Kubernetes keeps time."""
    return datetime.now(UTC).replace(microsecond=0)


class NameTaken(Exception):
    """A CronJob of that name is there, and is not ours."""


class Reconciler:
    """Looks at one policy at a time and key; different keys at once. Raises Refusal and Unreachable: then it has to look again."""

    def __init__(self, cluster: Cluster, settings: Settings, knowledge: Knowledge, bundler: Bundler, clock: Clock = now) -> None:
        self._cluster, self._settings, self._knowledge, self._bundler, self._clock = cluster, settings, knowledge, bundler, clock
        self._made: dict[str, tuple[str, int]] = {}
        self._starting = threading.Lock()

    def reconcile(self, key: str) -> None:
        namespace, name = key.split("/")
        if not self._settings.looks_at(namespace):  # any more: what is left of it here would act without anybody looking
            self._remove(self._knowledge.cron_jobs_of(key))
            return
        body = self._knowledge.policies.get(key)
        if body is None:  # a missed event, or gone: nothing is removed on hearsay
            body = self._cluster.get(POLICIES, namespace, name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            self._remove(self._knowledge.cron_jobs_of(key))
            return
        self._knowledge.policies.put(body)
        with self._knowledge.at_work_on(key):
            self._present(key, body)

    def _present(self, key: str, body: Body) -> None:
        accepted = self._knowledge.accepted(body)
        if isinstance(accepted, Refused):
            self._remove(self._knowledge.cron_jobs_of(key))
            status = statuses.known(body)
            if not (accepted.foreign and status.installation not in (None, self._settings.namespace)):
                self._write_status(body, statuses.refused(status, body["metadata"]["generation"], accepted, self._clock()))
            return
        self._accepted(key, body, accepted)

    def _accepted(self, key: str, body: Body, accepted: Accepted) -> None:
        left_out = self._bundler.left_out(key)
        cron_jobs, problem = self._cron_jobs(body, accepted, left_out)
        ended = self._stop_and_collect(key, body, accepted, cron_jobs.values())
        status = statuses.known(body)
        for _, one in ended:
            status = statuses.with_ended(status, one, accepted.policy.enforcing)
        setup = statuses.Setup({action: one["metadata"]["name"] for action, one in cron_jobs.items()}, problem, left_out)
        status = statuses.settled(
            status, accepted, setup, self._knowledge.enforces, self._knowledge.conflicts_with(key), self._clock()
        )
        status = self._start(key, body, accepted, cron_jobs, status)
        self._write_status(body, status)
        for job, _ in ended:
            self._put_away(job)

    # -- CronJobs ------------------------------------------------------------------------------------------------------

    def _cron_jobs(self, body: Body, accepted: Accepted, left_out: bool) -> tuple[dict[Action, Body], Refused | None]:
        """What is there of them now, and what is wrong."""
        there: dict[Action, Body] = {}
        problem: Refused | None = None
        policy = accepted.policy
        for action, schedule in accepted.schedules.items():
            suspend = left_out or not policy.enforcing
            wanted = cronjobs.cron_job(body, policy, action, schedule, suspend, self._settings)
            try:
                there[action] = self._ensure(wanted)
            except NameTaken:
                self._knowledge.name_taken(key_of(wanted), policy.key)
                problem = Refused("NameTaken", f"CronJob {wanted['metadata']['name']} is there already and is not ours")
            except Refusal as refusal:
                if refusal.status not in (400, 403, 422):
                    raise
                problem = Refused("Refused", f"CronJob {wanted['metadata']['name']}: {refusal.message}"[:512])
        known = self._knowledge.cron_jobs_of(policy.key)
        self._remove(one for one in known if all(one["metadata"]["name"] != kept["metadata"]["name"] for kept in there.values()))
        return there, problem

    def _ensure(self, wanted: Body) -> Body:
        """The CronJob as it is in the cluster afterwards. Raises NameTaken: then it is as it was."""
        key, digest = key_of(wanted), names.digest(repr(wanted), 32)
        found = self._knowledge.cron_jobs.get(key)
        if found is None:
            try:
                return self._made_of(wanted, digest, self._cluster.apply(CRON_JOBS, wanted, force=False))
            except Refusal as refusal:
                if refusal.status != 409:
                    raise
            found = self._cluster.get(CRON_JOBS, self._settings.namespace, wanted["metadata"]["name"])
            if found is None:
                raise Unreachable(f"CronJob {key} comes and goes")
        if cronjobs.owner_of(found) != cronjobs.owner_of(wanted):
            raise NameTaken
        made = self._made.get(key) == (
            digest,
            found["metadata"]["generation"],
        )  # then its spec is what the API server makes of ours
        if not cronjobs.differs(wanted["metadata"] if made else wanted, found["metadata"] if made else found):
            due = cronjobs.missed(found, self._clock())
            return found if due is None else self._last_ran(found, cronjobs.before(due))
        if cronjobs.begins_anew(wanted, found):
            # First, so that Kubernetes counts no time as missed at which it was not to run. A death after it is made good by doing
            # it again.
            self._last_ran(found, self._clock())
        return self._made_of(wanted, digest, self._change(wanted, found["metadata"]["uid"]))

    def _last_ran(self, found: Body, at: datetime) -> Body:
        """From then on Kubernetes counts what was missed. Refusal 409 when it is no longer as ``found``."""
        meta = found["metadata"]
        patch = {
            "metadata": {"resourceVersion": meta["resourceVersion"]},
            "status": {"lastScheduleTime": _stamp(at)},
        }
        after = self._cluster.merge(CRON_JOBS, meta["namespace"], meta["name"], patch, sub="status")
        self._knowledge.cron_jobs.put(after)
        return after

    def _change(self, wanted: Body, uid: str) -> Body:
        """By its uid, so that it is never another one that came in its place: Refusal 409 then."""
        try:
            return self._cluster.apply(CRON_JOBS, {**wanted, "metadata": {**wanted["metadata"], "uid": uid}}, force=True)
        except Refusal as refusal:
            if refusal.status == 422 and "metadata.uid" in refusal.message:
                raise Refusal(409, "Conflict", refusal.message) from refusal
            raise

    def _made_of(self, wanted: Body, digest: str, after: Body) -> Body:
        if cronjobs.differs(wanted, after):  # what others have added to it
            meta = {**wanted["metadata"], "resourceVersion": after["metadata"]["resourceVersion"]}
            after = self._cluster.replace(CRON_JOBS, {**wanted, "metadata": meta})
        self._made[key_of(wanted)] = digest, after["metadata"]["generation"]
        self._knowledge.cron_jobs.put(after)
        return after

    def _remove(self, known: Iterable[Body]) -> None:
        for one in known:
            self._cluster.delete(CRON_JOBS, one)
            self._made.pop(key_of(one), None)
            self._knowledge.cron_jobs.drop(one)

    # -- Jobs ----------------------------------------------------------------------------------------------------------

    def _stop_and_collect(
        self, key: str, body: Body, accepted: Accepted, cron_jobs: Iterable[Body]
    ) -> list[tuple[Body, statuses.Ended]]:
        """Stops what may not go on, and gives what ended and was not taken in yet, in the order in which it ended."""
        ours = list(cron_jobs)
        ended = []
        for job in self._knowledge.jobs_of(key):
            if not reports.belongs(job, ours) or names.REPORTED in (job["metadata"].get("annotations") or {}):
                continue
            over = jobs.finished(job)
            if over is None and not jobs.stopped(job):
                if not job["spec"].get("suspend") and jobs.must_stop(job, body, accepted):
                    self._suspend(job)
                continue
            ended.append((job, self._ended(job, over)))
        return sorted(ended, key=lambda one: one[1].time)

    def _suspend(self, job: Body) -> None:
        """Its pods get SIGTERM, on which a sweep ends after its batch."""
        meta = job["metadata"]
        try:
            self._knowledge.jobs.put(self._cluster.merge(JOBS, meta["namespace"], meta["name"], {"spec": {"suspend": True}}))
        except Refusal as refusal:
            if refusal.status not in (404, 422):  # gone, or finished meanwhile
                raise

    def _ended(self, job: Body, over: Mapping[str, Any] | None) -> statuses.Ended:
        said = reports.report(job, self._pods(job))
        annotations = job["metadata"].get("annotations") or {}
        generation = annotations.get(names.GENERATION)
        failed = over is not None and over["type"] == "Failed"
        metrics.REPORTS.labels(said.state if said else "none").inc()
        return statuses.Ended(
            job=job["metadata"]["name"],
            action=Action(job["metadata"]["labels"][names.ACTION]),
            preview=jobs.purpose(job) is Purpose.PREVIEW,
            generation=int(generation) if generation else None,
            time=datetime.fromisoformat(over["lastTransitionTime"]) if over else self._clock(),
            report=said,
            stopped=over is None,
            why="" if said else _why(over) if failed and over else "the run left no report" if over else "stopped",
        )

    def _pods(self, job: Body) -> list[Body]:
        """Those that were watched, and may be gone; else those that are there."""
        uid = job["metadata"]["uid"]
        if watched := self._knowledge.pods_of(uid):
            return watched
        query = {"labelSelector": f"batch.kubernetes.io/controller-uid={uid}"}
        return self._cluster.list(PODS, job["metadata"]["namespace"], query)[0]

    def _put_away(self, job: Body) -> None:
        """So that it counts once. What was stopped would block its CronJob, and goes."""
        meta = job["metadata"]
        if jobs.finished(job) is None:
            self._cluster.delete(JOBS, job)
            self._knowledge.jobs.drop(job)
            return
        patch = {"metadata": {"annotations": {names.REPORTED: "true"}}}
        try:
            self._knowledge.jobs.put(self._cluster.merge(JOBS, meta["namespace"], meta["name"], patch))
        except Refusal as refusal:
            if refusal.status != 404:
                raise

    def _start(self, key: str, body: Body, accepted: Accepted, cron_jobs: Mapping[Action, Body], status: Status) -> Status:
        """The status, once what it asks for was started. Nothing is, before the Jobs would find the policy as it is now."""
        policy = accepted.policy
        if policy.spec.suspend:
            return status.model_copy(update={"ran_now": jobs.run_now(body) or status.ran_now})
        if self._bundler.generation(key) != policy.metadata.generation:
            self._bundler.changed()
            return status
        existing = {job["metadata"]["name"]: job for job in self._knowledge.jobs_of(key)}
        for order in jobs.wanted(body, accepted, status, existing, self._settings, self._clock()):
            if order.action not in cron_jobs:
                return status
            by_itself = order.purpose is Purpose.PREVIEW and not order.what.startswith("now ")
            job = jobs.job(body, accepted, order, cron_jobs[order.action], self._settings)
            if not self._create(key, job, by_itself):
                continue
            if order.purpose is Purpose.APPROVED:
                waiting = [
                    one.model_copy(update={"job": job["metadata"]["name"]}) if one.digest == order.what else one
                    for one in status.waiting
                ]
                status = status.model_copy(update={"waiting": waiting})
        return status.model_copy(update={"ran_now": jobs.run_now(body) or status.ran_now})

    def _create(self, key: str, job: Body, by_itself: bool) -> bool:
        """Whether it is there now. Previews that nobody asked for wait for one another."""
        with self._starting:
            if by_itself and not self._knowledge.room_for_preview(key):
                return False
            try:
                self._knowledge.jobs.put(self._cluster.create(JOBS, job))
            except Refusal as refusal:
                if refusal.status != 409:
                    raise
            return True

    # -- Status --------------------------------------------------------------------------------------------------------

    def _write_status(self, body: Body, status: Status) -> None:
        before, status = statuses.known(body), status.model_copy(update={"installation": self._settings.namespace})
        if status == before:
            return
        after = self._cluster.replace_status(POLICIES, {**body, "status": statuses.dump(status)})
        if statuses.known(after) != status:
            log.warning("the API server kept another status of %s than it was given", key_of(body))
        self._knowledge.policies.put(after)
        for kind, condition in statuses.transitions(before.conditions, status.conditions):
            self._tell(body, kind, condition)

    def _tell(self, body: Body, kind: str, condition: Condition) -> None:
        meta, at = body["metadata"], self._clock()
        stamp = _stamp(at)
        name = names.digest(f"{meta['uid']} {condition.type} {condition.status} {condition.reason} {stamp}", 16)
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{meta['name'][:200].rstrip('.-')}.{name}", "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": body["apiVersion"],
                "kind": body["kind"],
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            },
            "type": kind,
            "reason": condition.reason,
            "message": (condition.message or f"{condition.type} is {condition.status}")[:1024],
            "source": {"component": names.MANAGER},
            "reportingComponent": names.MANAGER,
            "reportingInstance": names.MANAGER,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            self._cluster.create(EVENTS, event)
        except Refusal as refusal:  # told already, or the namespace is going away
            log.info("an Event was refused: %s", refusal)


def _stamp(at: datetime) -> str:
    """As Kubernetes writes a time, which is in UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _why(over: Mapping[str, Any]) -> str:
    return f"{over.get('reason', 'Failed')}: {over.get('message', '')}"
