"""Keeps the ConfigMap of all policies as the policies are. It waits until they settle: a thousand new ones are one write, not a
thousand."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from holdfast_operator import bundle, names
from holdfast_operator.cluster import CONFIG_MAPS, Cluster, Refusal, Unreachable
from holdfast_operator.knowledge import Knowledge
from holdfast_operator.settings import Settings

log = logging.getLogger(__name__)

_LONGEST_WAIT = 5
"""At most so many times ``settle_seconds``, when policies do not settle."""


class Bundler:
    """``unsettled`` is set whenever policies may have changed. ``written`` is told of the keys whose standing did: what is in the
    ConfigMap as it is now, or has no room in it."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        knowledge: Knowledge,
        unsettled: threading.Event,
        written: Callable[[Iterable[str]], None],
    ) -> None:
        self._cluster, self._settings, self._knowledge, self._written = cluster, settings, knowledge, written
        self._now = bundle.Bundle({}, {}, frozenset())
        self._dirty, self._stop = unsettled, threading.Event()
        self._lock = threading.Lock()

    def generation(self, key: str) -> int | None:
        """That of the policy as the ConfigMap has it."""
        with self._lock:
            return self._now.generations.get(key)

    def left_out(self, key: str) -> bool:
        with self._lock:
            return key in self._now.left_out

    def changed(self) -> None:
        """Something may have."""
        self._dirty.set()

    def start(self) -> None:
        threading.Thread(target=self._run, name="bundle", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()
        self._dirty.set()

    def write(self) -> None:
        """Now. Raises Refusal and Unreachable."""
        made = bundle.make(self._knowledge.in_bundle())
        there = self._knowledge.config_maps.get(f"{self._settings.namespace}/{names.bundle(self._settings.name_prefix)}")
        if there is None or (there.get("data") or {}) != made.data:
            body = bundle.config_map(self._settings.name_prefix, self._settings.namespace, made.data)
            after = self._cluster.apply(CONFIG_MAPS, body, force=True)
            if (after.get("data") or {}) != made.data:  # somebody else added to it
                body["metadata"]["resourceVersion"] = after["metadata"]["resourceVersion"]
                after = self._cluster.replace(CONFIG_MAPS, body)
            self._knowledge.config_maps.put(after)
        with self._lock:
            before, self._now = self._now, made
        moved = before.generations.items() ^ made.generations.items()
        self._written({key for key, _ in moved} | (before.left_out ^ made.left_out))

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.is_set():
            self._dirty.wait()
            self._settle()
            if self._stop.is_set():
                return
            try:
                self.write()
                pause = 0.0
            except (Refusal, Unreachable) as error:
                log.warning("the ConfigMap of policies could not be written: %s", error)
                pause = min(30.0, 2 * pause or 0.5)
                self._stop.wait(pause)
                self._dirty.set()

    def _settle(self) -> None:
        quiet = self._settings.settle_seconds
        deadline = time.monotonic() + _LONGEST_WAIT * quiet
        while time.monotonic() < deadline:
            self._dirty.clear()
            if not self._dirty.wait(quiet):
                return
        self._dirty.clear()
