"""The API server, as far as the operator asks and tells it: plain objects in, plain objects out.

The kubernetes client authenticates and connects. Its typed objects and its discovery are left out: at thousands of objects they
cost more than the API server does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes.client import Configuration
from kubernetes.client.exceptions import ApiException

from holdfast.policies.model import API_VERSION, GROUP, KIND, PLURAL, VERSION
from holdfast_operator.names import MANAGER
from holdfast_operator.trust import client

Body = dict[str, Any]

TIMEOUT = (5, 30)
"""Seconds to connect, and to wait for an answer."""


class Refusal(Exception):
    """The API server does not want it: ``status`` as in HTTP, ``reason`` in its word, ``message`` for people."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message


class Unreachable(Exception):
    """The API server did not answer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects. ``path``: between the API's root and the namespace; ``plural`` as in URLs."""

    name: str
    api_version: str
    path: str
    plural: str

    def url(self, namespace: str | None, name: str | None = None, sub: str | None = None) -> str:
        parts = [self.path, *(["namespaces", namespace] if namespace else []), self.plural]
        return "/".join([*parts, *([name] if name else []), *([sub] if sub else [])])


POLICIES = Kind(KIND, API_VERSION, f"/apis/{GROUP}/{VERSION}", PLURAL)
CRON_JOBS = Kind("CronJob", "batch/v1", "/apis/batch/v1", "cronjobs")
JOBS = Kind("Job", "batch/v1", "/apis/batch/v1", "jobs")
PODS = Kind("Pod", "v1", "/api/v1", "pods")
CONFIG_MAPS = Kind("ConfigMap", "v1", "/api/v1", "configmaps")
EVENTS = Kind("Event", "v1", "/api/v1", "events")

Writes = Callable[[str, Kind, bool], None]
"""Told of each write, before (False) and after it (True): the verb and the kind."""


class Cluster:
    """Safe for threads. ``writes`` is told of every write; a test makes the process die there.

    Raises from every method:
        Refusal: the API server said no.
        Unreachable: it said nothing.
    """

    def __init__(self, configuration: Configuration, connections: int, writes: Writes = lambda _verb, _kind, _done: None) -> None:
        configuration.connection_pool_maxsize = connections
        configuration.retries = False
        self._client = client(configuration)
        self._writes = writes

    def close(self) -> None:
        """Ends its connections. No call may be under way."""
        self._client.rest_client.pool_manager.clear()
        self._client.close()

    def get(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """None when it is not there."""
        try:
            return self._ask("GET", kind.url(namespace, name))
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise

    def list(self, kind: Kind, namespace: str | None, query: Mapping[str, str] | None = None) -> tuple[list[Body], str]:
        """The objects, and the resource version of the list."""
        answer = self._ask("GET", kind.url(namespace), query=query)
        named = {"apiVersion": kind.api_version, "kind": kind.name}
        return [named | one for one in answer["items"]], answer["metadata"]["resourceVersion"]

    def watch(
        self, kind: Kind, namespace: str | None, version: str, seconds: int, query: Mapping[str, str] | None = None
    ) -> Iterator[tuple[str, Body]]:
        """Events after ``version``, for ``seconds``: ADDED, MODIFIED, DELETED or BOOKMARK, and the object. A watch of which
        nothing is heard for longer than that ends as Unreachable."""
        asked = {
            **(query or {}),
            "watch": "1",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
            "allowWatchBookmarks": "1",
        }
        response = self._call("GET", kind.url(namespace), asked, None, "application/json", (5, seconds + 15))
        try:
            rest = b""
            for chunk in response.stream(amt=None):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        said = event["object"]
                        raise Refusal(said.get("code", 500), said.get("reason", ""), said.get("message", ""))
                    yield event["type"], event["object"]
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Unreachable(str(error)) from error
        finally:
            response.close()

    def create(self, kind: Kind, body: Body) -> Body:
        """Refusal 409 when the name is taken."""
        namespace = body["metadata"]["namespace"]
        return self._write("create", kind, "POST", kind.url(namespace), body, query={"fieldManager": MANAGER})

    def apply(self, kind: Kind, body: Body, *, force: bool) -> Body:
        """Server-side apply. Without ``force`` a Refusal 409 when somebody else has set any of its fields otherwise."""
        meta = body["metadata"]
        query = {"fieldManager": MANAGER, "force": "true" if force else "false"}
        url = kind.url(meta["namespace"], meta["name"])
        return self._write("apply", kind, "PATCH", url, body, content="application/apply-patch+yaml", query=query)

    def replace(self, kind: Kind, body: Body) -> Body:
        """All of it. Refusal 409 unless ``metadata.resourceVersion`` is still what it is."""
        meta = body["metadata"]
        return self._write("replace", kind, "PUT", kind.url(meta["namespace"], meta["name"]), body, query={"fieldManager": MANAGER})

    def replace_status(self, kind: Kind, body: Body) -> Body:
        """As ``replace``, the status alone."""
        meta = body["metadata"]
        return self._write("status", kind, "PUT", kind.url(meta["namespace"], meta["name"], "status"), body)

    def merge(self, kind: Kind, namespace: str, name: str, patch: Body, *, sub: str | None = None) -> Body:
        """A JSON merge patch, of the subresource ``sub`` where one is given."""
        return self._write("merge", kind, "PATCH", kind.url(namespace, name, sub), patch, content="application/merge-patch+json")

    def delete(self, kind: Kind, body: Mapping[str, Any]) -> None:
        """That very object, with what belongs to it. Nothing happens when it is gone already."""
        meta = body["metadata"]
        options = {"propagationPolicy": "Background", "preconditions": {"uid": meta["uid"]}}
        try:
            self._write("delete", kind, "DELETE", kind.url(meta["namespace"], meta["name"]), options)
        except Refusal as refusal:
            if refusal.status not in (404, 409):
                raise

    def _write(
        self,
        verb: str,
        kind: Kind,
        method: str,
        url: str,
        body: Body,
        *,
        content: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Body:
        self._writes(verb, kind, False)
        answer = self._ask(method, url, query=query, body=body, content=content)
        self._writes(verb, kind, True)
        return answer

    def _ask(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content: str = "application/json",
    ) -> Body:
        response = self._call(method, url, query or {}, body, content, TIMEOUT)
        try:
            answer: Body = json.loads(response.data)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Unreachable(str(error)) from error
        return answer

    def _call(
        self, method: str, url: str, query: Mapping[str, str], body: Body | None, content: str, timeout: tuple[float, float]
    ) -> Any:
        try:
            return self._client.call_api(
                url,
                method,
                query_params=list(query.items()),
                header_params={"Accept": "application/json", "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _preload_content=False,
                _request_timeout=timeout,
            )
        except ApiException as error:
            raise _refusal(error) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._client.rest_client.pool_manager.clear()  # the others of its connections may be as dead, and nobody was told
            raise Unreachable(str(error)) from error


def _refusal(error: ApiException) -> Exception:
    try:
        said = json.loads(error.body or b"{}")
    except ValueError:
        said = {}
    if not error.status or error.status >= 500 or error.status == 429:
        return Unreachable(f"{error.status} {said.get('message', error.reason)}")
    return Refusal(int(error.status), str(said.get("reason", error.reason)), str(said.get("message", error.reason)))
