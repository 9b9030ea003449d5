"""The compaction port on SeaweedFS: where an object's needles are, and whether each replica was compacted since they were deleted.

What SeaweedFS 4.48 does, read in its source and measured: the answer to an S3 DELETE comes before any volume server knows of it,
for the filer deletes needles a second or more later from a queue in its memory, which a crash of the filer loses. A deleted needle
stays in its volume, and can be read with ``readDeleted``, until the volume is vacuumed. A delete that arrives while a volume is
being vacuumed is carried over into the new file, bytes and all, and the volume's revision rises nevertheless.

So a replica is clean when all replicas of its volume are known, the needle is deleted there and cannot be read with
``readDeleted``, and, seen after that, the volume holds nothing deleted at all or its revision has risen by two: the second of two
vacuums began after the delete.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from holdfast.storage.objects.compaction import Sight, Trace
from holdfast.storage.objects.keys import check_key
from holdfast.storage.objects.points import step
from holdfast.storage.objects.port import StoreUnavailable

ANY_GARBAGE = "0.0000001"
"""A share of a volume. Not 0, which would have volumes rewritten that hold nothing deleted."""
_REVISIONS = 1 << 16
_THERE, _NOT_THERE = (200, 202), (301, 302, 307, 404)
"""A server that redirects has no replica; the one that has it is asked, too."""
_TIMEOUT = urllib3.Timeout(connect=3.0, read=20.0)


class _Late(StoreUnavailable):
    """No answer in time. What was asked for may be under way."""


class SeaweedFSCompactor:
    """``master`` and ``filer`` are addresses, ``http://host:port`` (ValueError if not); ``bucket`` and ``prefix`` those of the
    objects."""

    name = "seaweedfs"
    compacts = True

    def __init__(self, *, master: str, filer: str, bucket: str, prefix: str = "") -> None:
        self._master, self._filer = _address(master), _address(filer)
        prefix = prefix.strip("/")
        self._folder = f"/buckets/{bucket}/{prefix}/" if prefix else f"/buckets/{bucket}/"
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)

    def trace(self, key: str) -> Trace | None:
        """Needles by volume, and the volume servers that had a replica of it. ``inline``: the filer has the bytes itself."""
        url = f"{self._filer}{self._folder}{check_key(key)}?metadata=true&resolveManifest=true"
        entry = self._json("GET", url, "filer")
        if not entry:
            return None
        needles: dict[str, list[str]] = defaultdict(list)
        for chunk in entry.get("chunks") or ():
            needles[chunk["file_id"].partition(",")[0]].append(chunk["file_id"])
        servers = {volume: self._servers(volume) for volume in needles}
        for volume, found in servers.items():
            if not found:
                raise StoreUnavailable(f"The SeaweedFS master knows no server of volume {volume}.")
        return {"needles": dict(needles), "servers": servers, "revisions": {}, "inline": bool(entry.get("Content"))}

    def look(self, traces: Sequence[Trace]) -> list[Sight]:
        volumes = {volume for trace in traces for volume in trace.get("needles", ())}
        present = {volume: self._servers(volume) for volume in sorted(volumes)}
        silent = set[str]()
        alive = [self._alive(trace, present, silent) for trace in traces]
        # Only now: what a server says of its volumes has to be younger than the needles' being deleted there.
        servers = {server for trace in traces for _, server in _replicas(trace, present)}
        states = {server: None if server in silent else self._volumes(server) for server in sorted(servers)}
        return [self._sight(trace, present, states, found) for trace, found in zip(traces, alive, strict=True)]

    def insist(self, trace: Trace) -> None:
        for volume, server in _replicas(trace, {}):
            for needle in trace["needles"][volume]:
                with step("insist"):
                    self._status("DELETE", server, needle)

    def compact(self) -> None:
        """Of the whole cluster: the master's HTTP interface knows no other way. It goes on when it takes longer than we wait."""
        with step("compact"), suppress(_Late):
            self._request("GET", f"{self._master}/vol/vacuum?garbageThreshold={ANY_GARBAGE}", "master")

    def _alive(self, trace: Trace, present: dict[str, list[str]], silent: set[str]) -> str | None:
        """What is not deleted yet, or cannot be seen to be. ``silent`` servers do not answer, and are not asked again."""
        for volume, server in _replicas(trace, present):
            for needle in trace["needles"][volume]:
                if server in silent:
                    return f"{server} does not answer"
                try:
                    if self._status("HEAD", server, needle) in _THERE:
                        return f"{server} has not deleted {needle} yet"
                except StoreUnavailable:
                    silent.add(server)
        return None

    def _sight(
        self, trace: Trace, present: dict[str, list[str]], states: dict[str, dict[str, Any] | None], alive: str | None
    ) -> Sight:
        if alive is not None:
            return Sight(trace, alive, alive=True)
        revisions: dict[str, int] = dict(trace.get("revisions", {}))
        left = ["the filer had the bytes in its own database, which is not looked into"] if trace.get("inline") else []
        for volume, server in _replicas(trace, present):
            volumes, name = states[server], f"{volume}@{server}"
            state = None if volumes is None else volumes.get(volume)
            if volumes is None:
                left.append(f"{server} does not answer")
            elif state is None and server in present[volume]:
                left.append(f"volume {volume} on {server} is of a kind that is not compacted")
            elif state is None:
                if not present[volume]:
                    left.append(f"volume {volume} is on no server that answers")
            elif len(present[volume]) < (copies := 1 + sum(state["ReplicaPlacement"].values())):
                left.append(f"volume {volume} has {len(present[volume])} of {copies} replicas on servers that answer")
            elif not _compacted(state, revisions.setdefault(name, state["CompactRevision"])):
                left.append(f"volume {volume} on {server} has not been compacted since")
            elif self._readable(server, trace["needles"][volume]):
                left.append(f"volume {volume} on {server} still gives the bytes")
        return Sight({**trace, "revisions": revisions}, left[0] if left else None)

    def _readable(self, server: str, needles: Sequence[str]) -> bool:
        return any(self._status("HEAD", server, f"{needle}?readDeleted=true") in _THERE for needle in needles)

    def _servers(self, volume: str) -> list[str]:
        found = self._json("GET", f"{self._master}/dir/lookup?volumeId={volume}", "master")
        return sorted(location["url"] for location in found.get("locations", ()))

    def _volumes(self, server: str) -> dict[str, Any] | None:
        try:
            found = self._json("GET", f"http://{server}/status", "volume server")
        except StoreUnavailable:
            return None
        return {str(volume["Id"]): volume for volume in found.get("Volumes") or ()}

    def _status(self, method: str, server: str, needle: str) -> int:
        return self._request(method, f"http://{server}/{needle}", "volume server").status

    def _json(self, method: str, url: str, role: str) -> dict[str, Any]:
        """What the server says; nothing at all when what was asked about is not there."""
        response = self._request(method, url, role)
        if response.status == 404:
            return {}
        try:
            found = json.loads(response.data)
        except ValueError:
            raise StoreUnavailable(f"The SeaweedFS {role} answers with something else than JSON.") from None
        return found if isinstance(found, dict) else {}

    def _request(self, method: str, url: str, role: str) -> urllib3.BaseHTTPResponse:
        try:
            response = self._pool.request(method, url, redirect=False)
        except ReadTimeoutError as error:
            raise _Late(f"The SeaweedFS {role} does not answer in time.") from error
        except HTTPError as error:
            raise StoreUnavailable(f"The SeaweedFS {role} cannot be reached.") from error
        if response.status not in (*_THERE, *_NOT_THERE):
            raise StoreUnavailable(f"The SeaweedFS {role} answers with {response.status}.")
        return response


def _address(text: str) -> str:
    if not re.fullmatch(r"https?://[^/?#]+/?", text):
        raise ValueError(f"not the address of a SeaweedFS server: {text!r}")
    return text.rstrip("/")


def _replicas(trace: Trace, present: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """(volume, server) for every server that had a replica when the object was deleted, or has one now."""
    for volume, servers in trace.get("servers", {}).items():
        for server in sorted({*servers, *present.get(volume, ())}):
            yield volume, server


def _compacted(state: dict[str, Any], since: int) -> bool:
    return bool(state["DeletedByteCount"] == 0 or (state["CompactRevision"] - since) % _REVISIONS >= 2)
