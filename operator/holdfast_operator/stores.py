"""What the operator knows of the cluster: a store of each kind, and the watch that keeps it fresh."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from holdfast_operator import metrics
from holdfast_operator.cluster import Body, Cluster, Kind, Refusal, Unreachable

log = logging.getLogger(__name__)

_MOST_GONE = 10_000


class Store:
    """What is known of one kind's objects, by ``namespace/name``. Safe for threads.

    An object never goes back to what it was, nor comes back once it is gone: the answer to a write and the events of a watch
    come in any order. ``changed`` is told of each change, with what was known before and what is known now."""

    def __init__(self, changed: Callable[[Body | None, Body | None], None]) -> None:
        self._objects: dict[str, Body] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._changed = changed

    def get(self, key: str) -> Body | None:
        with self._lock:
            return self._objects.get(key)

    def all(self) -> list[Body]:
        with self._lock:
            return list(self._objects.values())

    def put(self, body: Body) -> None:
        body["metadata"].pop("managedFields", None)
        with self._lock:
            before = self._objects.get(key_of(body))
            if body["metadata"]["uid"] in self._gone or (before is not None and _version(before) >= _version(body)):
                return
            self._objects[key_of(body)] = body
        self._changed(before, body)

    def drop(self, body: Body) -> None:
        with self._lock:
            before = self._objects.get(key_of(body))
            if before is None or before["metadata"]["uid"] != body["metadata"]["uid"]:
                return
            del self._objects[key_of(body)]
            self._gone[body["metadata"]["uid"]] = None
            if len(self._gone) > _MOST_GONE:
                self._gone.popitem(last=False)
        if _version(body) > _version(before):
            self._changed(before, body)
        self._changed(body, None)

    def replace(self, bodies: list[Body], version: str) -> None:
        """A whole list, and its resource version: what is not in it is gone, unless it came later."""
        there = {(key_of(body), body["metadata"]["uid"]) for body in bodies}
        for body in self.all():
            if (key_of(body), body["metadata"]["uid"]) not in there and _version(body) <= int(version):
                self.drop(body)
        for body in bodies:
            self.put(body)


def key_of(body: Mapping[str, Any]) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"


def _version(body: Mapping[str, Any]) -> int:
    """Kubernetes says since 1.35 that resource versions can be compared so, and every API server before it kept to that."""
    version = body["metadata"].get("resourceVersion", "")
    return int(version) if version.isdigit() else 0


class Reflector:
    """Lists, then watches, for ever. A watch that ends, breaks or falls behind begins again with a list, so that nothing is
    missed."""

    def __init__(
        self, cluster: Cluster, kind: Kind, namespace: str, store: Store, seconds: int, query: Mapping[str, str] | None = None
    ) -> None:
        self._cluster, self._kind, self._namespace, self._store = cluster, kind, namespace, store
        self._seconds, self._query = seconds, query
        self._stop = threading.Event()

    def start(self) -> None:
        """Returns when everything was read once; watching goes on in a thread. Raises Refusal and Unreachable."""
        version = self.read()
        threading.Thread(target=self._run, args=(version,), name=f"watch-{self._kind.plural}", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def read(self) -> str:
        """Reads everything anew; the resource version of the list."""
        bodies, version = self._cluster.list(self._kind, self._namespace, self._query)
        self._store.replace(bodies, version)
        return version

    def _run(self, version: str) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            try:
                version = self._watch(version or self.read())
                pause = 0.0
            except (Refusal, Unreachable) as error:
                log.warning("the watch of %s broke: %s", self._kind.plural, error)
                metrics.WATCHES_BROKEN.labels(self._kind.plural).inc()
                version, pause = "", min(30.0, 2 * pause or 0.5)

    def _watch(self, version: str) -> str:
        for kind, body in self._cluster.watch(self._kind, self._namespace, version, self._seconds, self._query):
            version = body["metadata"]["resourceVersion"]
            if kind == "DELETED":
                self._store.drop(body)
            elif kind != "BOOKMARK":
                self._store.put(body)
        return version
