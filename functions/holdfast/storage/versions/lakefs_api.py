"""The calls of lakeFS' API that the adapter makes, as functions of one repository.

They go through lakefs-sdk's client, which knows addresses, authentication and connections, but not through its generated methods:
those validate every argument and answer twice, and staging a group of 64 entries then takes about half as long again (measured).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from urllib3.exceptions import HTTPError, ProtocolError

PAGE = 1000
"""Results that lakeFS gives at most in one answer; also the paths that it deletes at most in one call."""

JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class Unanswered(Exception):
    """No answer, or none that can be read: what was asked may be done, may be done later, or never."""


class Refusal(Exception):
    """lakeFS answered, and not with what was asked for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as the log shows it."""

    id: str
    parents: tuple[str, ...]
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stat:
    """What a commit holds at a path. ``address`` is None where lakeFS does not say it (in differences)."""

    size: int
    checksum: str
    content_type: str
    metadata: Mapping[str, str]
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A path that differs between two commits; ``now`` is what the later one holds there, None when nothing."""

    path: str
    now: Stat | None


class Api:
    """One repository. Each method is one call (pages apart), blocks, and raises Unanswered or Refusal. Threads may share it."""

    def __init__(
        self, endpoint: str, access_key: str, secret_key: str, repository: str, *, timeouts: tuple[float, float], connections: int
    ) -> None:
        """``timeouts``: seconds to connect, and to wait for (the next part of) an answer."""
        self._endpoint = endpoint.rstrip("/")
        self._keys = (access_key, secret_key)
        self._repository = repository
        self._timeouts = timeouts
        self._connections = connections
        self._client: Any = None
        self._process = 0

    def healthy(self) -> None:
        self._call("GET", "/healthcheck")

    def default_branch(self) -> str:
        """The name of the repository's default branch."""
        return cast(str, self._call("GET", "/repositories/{repository}")["default_branch"])

    def create_repository(self, namespace: str) -> None:
        """``namespace``: the address under which lakeFS keeps its own objects; no other repository's."""
        self._call("POST", "/repositories", body={"name": self._repository, "storage_namespace": namespace})

    def create_branch(self, branch: str, source: str) -> None:
        self._call("POST", "/repositories/{repository}/branches", body={"name": branch, "source": source})

    def head(self, branch: str) -> str:
        """The id of the branch's newest commit."""
        answer = self._call("GET", "/repositories/{repository}/branches/{branch}", branch=branch)
        return cast(str, answer["commit_id"])

    def log(self, ref: str, amount: int, *, after: str | None = None, path: str | None = None) -> list[Commit]:
        """The newest ``amount`` commits from ``ref`` back; only those below ``after``; only those that changed ``path``."""
        query = [("amount", str(amount)), ("limit", "true")]
        query += [("after", after)] if after is not None else []
        query += [("objects", path)] if path is not None else []
        return [_commit(c) for c in self._call("GET", "/repositories/{repository}/refs/{ref}/commits", query, ref=ref)["results"]]

    def stage(self, branch: str, path: str, address: str, stat: Stat) -> None:
        body = {
            "physical_address": address,
            "checksum": stat.checksum,
            "size_bytes": stat.size,
            "content_type": stat.content_type,
            "metadata": dict(stat.metadata),
        }
        self._call("PUT", "/repositories/{repository}/branches/{branch}/objects", [("path", path)], body, branch=branch)

    def stage_deletes(self, branch: str, paths: Sequence[str]) -> None:
        """At most ``PAGE`` paths. lakeFS answers 200 whatever happened, and says in the answer what failed."""
        url = "/repositories/{repository}/branches/{branch}/objects/delete"
        for error in self._call("POST", url, body={"paths": list(paths)}, branch=branch)["errors"]:
            raise Refusal(error["status_code"], f"{error.get('path')}: {error['message']}")

    def commit(self, branch: str, message: str, metadata: Mapping[str, str]) -> Commit:
        url = "/repositories/{repository}/branches/{branch}/commits"
        return _commit(self._call("POST", url, body={"message": message, "metadata": dict(metadata)}, branch=branch))

    def stat(self, ref: str, path: str) -> Stat | None:
        """None when there is nothing at ``path``. lakeFS answers the same 404 when there is no ``ref``."""
        try:
            found = self._call("GET", "/repositories/{repository}/refs/{ref}/objects/stat", [("path", path)], ref=ref)
        except Refusal as refusal:
            if refusal.status == 404 and "repository" not in refusal.message:
                return None
            raise
        return _stat(found, found["size_bytes"], found["physical_address"])

    def changes(self, left: str, right: str) -> Iterator[Change]:
        """The paths in which commit ``right`` differs from commit ``left``, sorted."""
        url, after, more = "/repositories/{repository}/refs/{left}/diff/{right}", "", True
        while more:
            query = [("type", "two_dot"), ("include_right_stats", "true"), ("amount", str(PAGE)), ("after", after)]
            page = self._call("GET", url, query, left=left, right=right)
            for found in page["results"]:
                removed = found["type"] == "removed"
                yield Change(found["path"], None if removed else _stat(found["right"], found["size_bytes"]))
            after, more = page["pagination"]["next_offset"], page["pagination"]["has_more"]

    def _call(
        self, method: str, url: str, query: Sequence[tuple[str, str]] = (), body: dict[str, Any] | None = None, **parts: str
    ) -> Any:
        """The answer's JSON, or None when it has none. ``parts`` fill the names in ``url``."""
        from lakefs_sdk.exceptions import ApiException

        for last in (False, True):
            try:
                answer = self._connected().call_api(
                    url,
                    method,
                    {"repository": self._repository, **parts},
                    list(query),
                    dict(JSON),
                    body=body,
                    response_types_map={},
                    auth_settings=["basic_auth"],
                    _return_http_data_only=False,
                    _request_timeout=self._timeouts,
                )
                is_json = answer.headers.get("Content-Type", "").startswith("application/json")
                return json.loads(answer.raw_data) if is_json and answer.raw_data else None
            except ProtocolError as error:
                # Mostly a kept connection that the server closed meanwhile. A POST may have been carried out all the same.
                if last or method == "POST":
                    raise Unanswered(str(error)) from error
            except ApiException as error:
                if not error.status:
                    raise Unanswered(str(error.reason)) from error
                raise Refusal(error.status, _message(error.body)) from error
            except (HTTPError, ValueError) as error:
                raise Unanswered(str(error)) from error
        raise AssertionError("unreachable")

    def _connected(self) -> Any:
        """The SDK's client: imported at the first call (it costs half a second), and a new one in a process that was forked,
        which would otherwise read the answers to its parent's calls."""
        if self._process != os.getpid():
            import lakefs_sdk

            sdk: Any = lakefs_sdk
            access_key, secret_key = self._keys
            configuration = sdk.Configuration(host=f"{self._endpoint}/api/v1", username=access_key, password=secret_key)
            configuration.connection_pool_maxsize = self._connections
            configuration.retries = False  # its default repeats what timed out, three times
            self._client, self._process = sdk.ApiClient(configuration), os.getpid()
        return self._client


def _commit(answer: Mapping[str, Any]) -> Commit:
    return Commit(answer["id"], tuple(answer["parents"]), answer.get("metadata") or {})


def _stat(answer: Mapping[str, Any], size: int, address: str | None = None) -> Stat:
    return Stat(size, answer["checksum"], answer.get("content_type", ""), answer.get("metadata") or {}, address)


def _message(body: object) -> str:
    """lakeFS' own words, out of the body of an error."""
    try:
        return str(json.loads(cast(str, body))["message"])
    except (TypeError, ValueError, KeyError):
        return str(body)[:200]
