"""``holdfast-operator``: kopf watches the policies, and hands on what it sees. Nothing is decided here."""

from __future__ import annotations

import logging
import sys
import time
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

log = logging.getLogger(__name__)

_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def registry(operator: Operator, settings: Settings) -> kopf.OperatorRegistry:
    """What kopf calls. Events only: kopf then keeps nothing in the policies, neither finalizers nor annotations."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    def login(**of: Any) -> Any:
        return kopf.login_via_client(**of)

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
    try:
        settings = CliApp.run(Settings)
    except ValidationError as error:
        sys.exit(f"holdfast-operator: {error}")
    run(settings)


def count(verb: str, kind: Kind, done: bool) -> None:
    if done:
        metrics.WRITES.labels(verb, kind.plural).inc()


def run(settings: Settings, writes: Writes = count) -> None:
    """Until it is asked to end."""
    kopf.configure(verbose=False, log_format=kopf.LogFormat.JSON)
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # a line for each event of each policy
    namespace = settings.namespace or _namespace()
    settings = settings.model_copy(update={"namespace": namespace})
    configuration = client.Configuration()
    config.load_config(client_configuration=configuration)
    cluster = Cluster(configuration, settings.workers + 8, writes)
    _wait_for_the_resource(cluster)
    if settings.metrics_port:
        start_http_server(settings.metrics_port)
    liveness = f"http://0.0.0.0:{settings.liveness_port}/healthz" if settings.liveness_port else None
    operator = Operator(cluster, settings)
    kopf.run(registry=registry(operator, settings), clusterwide=True, standalone=True, liveness_endpoint=liveness)


def _namespace() -> str:
    if _OWN_NAMESPACE.exists():
        return _OWN_NAMESPACE.read_text().strip()
    return "default"


def _wait_for_the_resource(cluster: Cluster) -> None:
    """The CustomResourceDefinition may come later than we do."""
    said = ""
    while True:
        try:
            cluster.list(POLICIES, None, {"limit": "1"})
            return
        except (Refusal, Unreachable) as error:
            if str(error) != said:
                log.warning("AssetPolicies cannot be listed yet: %s", error)
            said = str(error)
        time.sleep(2)
