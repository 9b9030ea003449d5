"""``holdfast-operator``: kopf watches the policies, and hands on what it sees. Nothing is decided here."""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import kopf
from kubernetes import client, config
from prometheus_client import start_http_server
from pydantic import ValidationError
from pydantic_settings import CliApp

from holdfast.policies.model import GROUP, PLURAL, VERSION
from holdfast_operator import metrics
from holdfast_operator.cluster import POLICIES, Cluster, Kind, Refusal, Unreachable, Writes
from holdfast_operator.operator import Operator
from holdfast_operator.settings import Settings
from holdfast_operator.trust import lenient

log = logging.getLogger(__name__)

_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Connection(kopf.ConnectionInfo):
    """Checks certificates as all of the operator does."""

    @classmethod
    def of(cls, info: kopf.ConnectionInfo) -> Connection:
        """With all that ``info`` has."""
        return cls(**{field.name: getattr(info, field.name) for field in fields(info)})

    def as_ssl_context(self) -> ssl.SSLContext:
        """Called by kopf for each session."""
        return lenient(super().as_ssl_context())


def registry(operator: Operator, settings: Settings) -> kopf.OperatorRegistry:
    """What kopf calls. Events only: kopf then keeps nothing in the policies, neither finalizers nor annotations."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    def login(**of: Any) -> Any:
        found = kopf.login_via_client(**of)
        return Connection.of(found) if isinstance(found, kopf.ConnectionInfo) else found

    @kopf.on.startup(registry=handlers)
    def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.watching.server_timeout = watch_seconds
        settings.watching.client_timeout = watch_seconds + 15
        operator.start()

    @kopf.on.cleanup(registry=handlers)
    def clean_up(**_: Any) -> None:
        operator.stop()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def saw(event: kopf.RawEvent, **_: Any) -> None:
        operator.saw(event["type"], dict(event["object"]))

    @kopf.on.probe(id="state", registry=handlers)
    def state(**_: Any) -> dict[str, Any]:
        return operator.state()

    watch_seconds = settings.watch_seconds
    return handlers


def main() -> None:
    """The program. Options are those of ``Settings``."""
    run(settings_of(sys.argv[1:]))


def settings_of(arguments: list[str]) -> Settings:
    """From the options, and else from the environment. Ends the program where they cannot be used."""
    try:
        return CliApp.run(Settings, cli_args=arguments)
    except ValidationError as error:
        for wrong in error.errors():
            name = str(wrong["loc"][0])
            said = f"--{name.replace('_', '-')} or HOLDFAST_OPERATOR_{name.upper()}: {wrong['msg']}"
            print(f"holdfast-operator: {said}", file=sys.stderr)
        sys.exit(2)


def count(verb: str, kind: Kind, done: bool) -> None:
    if done:
        metrics.WRITES.labels(verb, kind.plural).inc()


def run(settings: Settings, writes: Writes = count) -> None:
    """Until it is asked to end."""
    kopf.configure(verbose=False, log_format=kopf.LogFormat.JSON)
    for name in ("kopf.objects", "kopf.activities.probe", "aiohttp.access"):  # a line for each event, and for each probe
        logging.getLogger(name).setLevel(logging.WARNING)
    namespace = settings.namespace or _namespace()
    settings = settings.model_copy(update={"namespace": namespace})
    configuration = client.Configuration()
    config.load_config(client_configuration=configuration)
    cluster = Cluster(configuration, settings.workers + 8, writes)
    watched = settings.watched()
    _wait_for_the_resource(cluster, watched[0])
    if settings.metrics_port:
        start_http_server(settings.metrics_port)
    liveness = f"http://0.0.0.0:{settings.liveness_port}/healthz" if settings.liveness_port else None
    operator = Operator(cluster, settings)
    kopf.run(
        registry=registry(operator, settings),
        # Else kopf asks for the name of its user, who has none in a container. Its type is one that kopf does not export.
        identity=socket.gethostname(),  # type: ignore[arg-type]
        clusterwide=settings.clusterwide,
        namespaces=[one for one in watched if one is not None],
        standalone=True,
        liveness_endpoint=liveness,
    )


def _namespace() -> str:
    if _OWN_NAMESPACE.exists():
        return _OWN_NAMESPACE.read_text().strip()
    return "default"


def _wait_for_the_resource(cluster: Cluster, namespace: str | None) -> None:
    """The CustomResourceDefinition may come later than we do. ``namespace``: one in which we may list; None for all."""
    said = ""
    while True:
        try:
            cluster.list(POLICIES, namespace, {"limit": "1"})
            return
        except (Refusal, Unreachable) as error:
            if str(error) != said:
                log.warning("AssetPolicies cannot be listed yet: %s", error)
            said = str(error)
        time.sleep(2)
