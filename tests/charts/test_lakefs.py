"""How lakeFS is started: it tells nobody outside that it is there, signs with a secret of its own, and is one where it must be."""

from __future__ import annotations

from base64 import b64decode

import pytest

from tests.charts.rendering import Body, containers, of_kind, pods, render

ALWAYS = {
    # It phones home by default, in four ways.
    "LAKEFS_STATS_ENABLED": "false",
    "LAKEFS_EMAIL_SUBSCRIPTION_ENABLED": "false",
    "LAKEFS_SECURITY_CHECK_LATEST_VERSION": "false",
    "LAKEFS_SECURITY_AUDIT_CHECK_URL": "",
    # Without these commits of one branch fail one another, and wait for others to share a write with.
    "LAKEFS_GRAVELER_BRANCH_OWNERSHIP_ENABLED": "true",
    "LAKEFS_GRAVELER_MAX_BATCH_DELAY": "100us",
    "LAKEFS_BLOCKSTORE_TYPE": "s3",
    "LAKEFS_BLOCKSTORE_S3_ENDPOINT": "http://holdfast-seaweedfs-s3:8333",
    "LAKEFS_BLOCKSTORE_S3_FORCE_PATH_STYLE": "true",
    "LAKEFS_BLOCKSTORE_S3_DISCOVER_BUCKET_REGION": "false",
    "LAKEFS_LISTEN_ADDRESS": "0.0.0.0:8000",
    "GOMEMLIMIT": "400MiB",
}
SECRET = {
    "LAKEFS_AUTH_ENCRYPT_SECRET_KEY": "lakefs-encrypt-secret",
    "LAKEFS_BLOCKSTORE_SIGNING_SECRET_KEY": "lakefs-signing-secret",  # its default is public
    "LAKEFS_BLOCKSTORE_S3_CREDENTIALS_ACCESS_KEY_ID": "s3-lakefs-access-key",
    "LAKEFS_BLOCKSTORE_S3_CREDENTIALS_SECRET_ACCESS_KEY": "s3-lakefs-secret-key",
    "LAKEFS_INSTALLATION_ACCESS_KEY_ID": "lakefs-access-key",
    "LAKEFS_INSTALLATION_SECRET_ACCESS_KEY": "lakefs-secret-key",
}


def rendered(database: str) -> list[Body]:
    existing = '"mine"' if database == "postgres" else '""'
    return render(lakefs__database=f'"{database}"', lakefs__replicas="3", existingSecret=existing)


def environment(bodies: list[Body], where: str) -> dict[str, str]:
    """Of its one container: values, and keys of the Secret."""
    [template] = [template for name, template in pods(bodies) if name.startswith(where)]
    [container] = containers(template)
    return {one["name"]: one["value"] if "value" in one else one["valueFrom"]["secretKeyRef"]["key"] for one in container["env"]}


@pytest.mark.parametrize("database", ["local", "postgres"])
def test_it_is_told_what_its_defaults_would_get_wrong(database: str) -> None:
    bodies = rendered(database)
    told = environment(bodies, "StatefulSet holdfast-lakefs")
    assert (ALWAYS | SECRET).items() <= told.items()
    assert told["LAKEFS_DATABASE_TYPE"] == database
    assert ("LAKEFS_DATABASE_LOCAL_PATH" in told) == (database == "local")
    assert told.get("LAKEFS_DATABASE_POSTGRES_CONNECTION_STRING") == ("lakefs-postgres-url" if database == "postgres" else None)


def test_a_local_database_has_one_replica_and_a_volume_whatever_is_asked_for() -> None:
    local, shared = (of_kind(rendered(one), "StatefulSet")["holdfast-lakefs"]["spec"] for one in ("local", "postgres"))
    assert (local["replicas"], shared["replicas"]) == (1, 3)
    assert ("volumeClaimTemplates" in local, "volumeClaimTemplates" in shared) == (True, False)


def test_with_postgresql_a_job_sets_it_up_with_the_keys_that_holdfast_uses() -> None:
    assert not [name for name in of_kind(rendered("local"), "Job") if "lakefs" in name]
    bodies = rendered("postgres")
    told = environment(bodies, "Job holdfast-lakefs-setup-")
    assert (told["ACCESS_KEY"], told["SECRET_KEY"]) == ("lakefs-access-key", "lakefs-secret-key")
    functions = environment(bodies, "Deployment holdfast-fileupload")
    assert functions["HOLDFAST_LAKEFS_ACCESS_KEY"] == told["ACCESS_KEY"]
    assert functions["HOLDFAST_LAKEFS_SECRET_KEY"] == told["SECRET_KEY"]


def test_a_generated_access_key_is_one_that_its_gateway_takes() -> None:
    [secret] = of_kind(render(), "Secret").values()
    assert 3 <= len(b64decode(secret["data"]["lakefs-access-key"])) <= 20
