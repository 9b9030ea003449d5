"""P7: how many small uploads a second are acknowledged as versions, against boto3's puts to the same store."""

from __future__ import annotations

from tests.bench.measure import Goal, Result, in_turn
from tests.bench.rig import Scale, Servers, environment, installation
from tests.bench.running import result_of, started

CLIENTS = 16
SIZE = 64 * 1024


def sql(servers: Servers, scale: Scale) -> list[Result]:
    """On MariaDB and SeaweedFS, with the commits in MariaDB."""
    return _uploads(servers, scale, lakefs=False)


def lakefs(servers: Servers, scale: Scale) -> list[Result]:
    """On MariaDB and SeaweedFS, with the commits in lakeFS."""
    return _uploads(servers, scale, lakefs=True)


def _uploads(servers: Servers, scale: Scale, *, lakefs: bool) -> list[Result]:
    with installation(servers, objects=True, lakefs=lakefs) as stack:
        ada, store, cpu = stack.user("ada"), servers.seaweedfs, [0.0, 0.0]
        head = f"POST /fileupload HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {ada.token}"
        keys = {"endpoint": store.endpoint, "access_key": store.access_key, "secret_key": store.secret_key}
        peers = {**keys, "bucket": stack.values["s3_bucket"], "prefix": "peer", "threads": CLIENTS, "size": SIZE}
        with started("holdfast.web.container", "fileupload", environment=environment(stack)) as server:

            def ours(count: int = scale.uploads) -> float:
                before = server.cpu()
                job = {"port": server.port, "connections": CLIENTS, "count": count, "head": head, "size": SIZE}
                rate = count / result_of("tests.bench.load", job)["seconds"]
                cpu[0] += server.cpu() - before
                return rate

            def peer(count: int = scale.uploads) -> float:
                result = result_of("tests.bench.peers.puts", {**peers, "count": count})
                cpu[1] += result["cpu"]
                return count / result["seconds"]

            server.first("GET", "/healthz")
            ours(max(scale.uploads // 4, 1)), peer(max(scale.uploads // 4, 1))  # pools are filled, volumes have grown
            cpu[:] = 0.0, 0.0
            figures = in_turn(scale.rounds, ours, peer)
        made = scale.rounds * scale.uploads
        each = cpu[0] * 1000 / made, cpu[1] * 1000 / made
        versions = "lakefs" if lakefs else "sql"
        return [Result(f"64 KiB uploads by {CLIENTS} clients, versions={versions}", "/s", *figures, Goal(">=", 0.6), each)]
