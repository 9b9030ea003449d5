"""Each identity of the S3 gateway can do what its process needs, and is refused the rest: on the real `weed`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client

from tests.charts.identities import ALL, identities, keys
from tests.servers.required import running
from tests.servers.seaweedfs import SeaweedFS

BUCKET = "assets"
STORED, CHECK, LAKEFS = "data/1/0", "check/1", "lakefs/holdfast/1"
LIFECYCLE = {"Rules": [{"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}

# What is there before each act: one object of each kind, and an unfinished upload, whose id is the second argument.
ACTS: dict[str, Callable[[S3Client, str], object]] = {
    "list": lambda s3, _: s3.list_objects_v2(Bucket=BUCKET),
    "head the bucket": lambda s3, _: s3.head_bucket(Bucket=BUCKET),
    "see whether it is versioned": lambda s3, _: s3.get_bucket_versioning(Bucket=BUCKET),
    "list unfinished uploads": lambda s3, _: s3.list_multipart_uploads(Bucket=BUCKET),
    "read data": lambda s3, _: s3.get_object(Bucket=BUCKET, Key=STORED)["Body"].read(),
    "head data": lambda s3, _: s3.head_object(Bucket=BUCKET, Key=STORED),
    "read a check": lambda s3, _: s3.get_object(Bucket=BUCKET, Key=CHECK)["Body"].read(),
    "read lakeFS's files": lambda s3, _: s3.get_object(Bucket=BUCKET, Key=LAKEFS)["Body"].read(),
    "write data": lambda s3, _: s3.put_object(Bucket=BUCKET, Key="data/2/0", Body=b"x", IfNoneMatch="*"),
    "write data in parts": lambda s3, _: in_parts(s3, "data/3/0"),
    "list parts": lambda s3, upload: s3.list_parts(Bucket=BUCKET, Key="data/4/0", UploadId=upload),
    "give up parts": lambda s3, upload: s3.abort_multipart_upload(Bucket=BUCKET, Key="data/4/0", UploadId=upload),
    "write a check": lambda s3, _: s3.put_object(Bucket=BUCKET, Key="check/2", Body=b"x"),
    "write lakeFS's files": lambda s3, _: s3.put_object(Bucket=BUCKET, Key="lakefs/holdfast/2", Body=b"x"),
    "write elsewhere": lambda s3, _: s3.put_object(Bucket=BUCKET, Key="elsewhere/1", Body=b"x"),
    "copy over data": lambda s3, _: s3.copy_object(Bucket=BUCKET, Key=STORED, CopySource=f"{BUCKET}/{CHECK}"),
    "copy a part over data": lambda s3, upload: part_copied(s3, upload),  # noqa: PLW0108  defined below
    "delete data": lambda s3, _: s3.delete_object(Bucket=BUCKET, Key=STORED),
    "delete data among others": lambda s3, _: deleted_among_others(s3),
    "delete a check": lambda s3, _: s3.delete_object(Bucket=BUCKET, Key=CHECK),
    "delete lakeFS's files": lambda s3, _: s3.delete_object(Bucket=BUCKET, Key=LAKEFS),
    "tag data": lambda s3, _: s3.put_object_tagging(Bucket=BUCKET, Key=STORED, Tagging={"TagSet": []}),
    "make it versioned": lambda s3, _: s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}),
    "let objects expire": lambda s3, _: s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=LIFECYCLE),  # type: ignore[arg-type]
    "make it public": lambda s3, _: s3.put_bucket_acl(Bucket=BUCKET, ACL="public-read"),
    "give it a policy": lambda s3, _: s3.put_bucket_policy(Bucket=BUCKET, Policy="{}"),
    "delete the bucket": lambda s3, _: s3.delete_bucket(Bucket=BUCKET),
    "make the bucket": lambda s3, _: made_again(s3),
    "make another bucket": lambda s3, _: s3.create_bucket(Bucket="another"),
}

LOOK = {"list", "head the bucket", "see whether it is versioned"}
ERASE = {*LOOK, "list unfinished uploads", "read data", "head data", "give up parts", "delete data", "delete data among others"}
MAY: dict[str, set[str]] = {
    "read": {*LOOK, "read data", "head data", "read a check"},
    "write": {*LOOK, "read data", "head data", "read a check", "write data", "write data in parts", "list parts"}
    | {"give up parts", "write a check", "delete a check"},
    "sweep": {*LOOK, "read data", "head data"},
    "worker": {*ERASE, "write data", "write data in parts", "list parts", "read a check", "write a check", "delete a check"},
    "purge": ERASE,
    "lakefs": {*LOOK, "read data", "head data", "read lakeFS's files", "write lakeFS's files"},
    "bucket": {"list", "head the bucket", "make the bucket"},
}
"""Written by hand: everything else of ACTS is refused."""


def in_parts(s3: S3Client, key: str) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, IfNoneMatch="*", MultipartUpload=parts)  # type: ignore[arg-type]


def part_copied(s3: S3Client, upload: str) -> None:
    s3.upload_part_copy(Bucket=BUCKET, Key="data/4/0", UploadId=upload, PartNumber=1, CopySource=f"{BUCKET}/{STORED}")


def deleted_among_others(s3: S3Client) -> None:
    """A batch is answered with 200, and says of each object whether it was refused."""
    reply = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": STORED}]})
    for error in reply.get("Errors", []):
        raise ClientError({"Error": {"Code": error["Code"]}}, "DeleteObjects")


def made_again(s3: S3Client) -> None:
    """The bucket is there by now, which only who may make it is told."""
    try:
        s3.create_bucket(Bucket=BUCKET)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    for server in running(lambda: SeaweedFS.start(identities(tmp_path_factory.mktemp("chart") / "part", BUCKET))):
        server.client_of(*keys("bucket")).create_bucket(Bucket=BUCKET)
        yield server


@pytest.mark.parametrize("name", ALL)
def test_an_identity_may_do_what_it_is_for_and_nothing_else(store: SeaweedFS, name: str) -> None:
    s3 = store.client_of(*keys(name))
    answers = {}
    for act, call in ACTS.items():
        for key in (STORED, CHECK, LAKEFS):
            store.client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        store.client.delete_object(Bucket=BUCKET, Key="data/2/0")
        store.client.delete_object(Bucket=BUCKET, Key="data/3/0")
        upload = store.client.create_multipart_upload(Bucket=BUCKET, Key="data/4/0")["UploadId"]
        store.client.upload_part(Bucket=BUCKET, Key="data/4/0", UploadId=upload, PartNumber=2, Body=b"x")
        try:
            call(s3, upload)
            answers[act] = ""
        except ClientError as error:
            answers[act] = error.response["Error"]["Code"]
        store.client.abort_multipart_upload(Bucket=BUCKET, Key="data/4/0", UploadId=upload)
    assert {act for act, refusal in answers.items() if not refusal} == MAY[name]
    assert set(answers.values()) <= {"", "AccessDenied", "403"}  # a HEAD has no body that says why
    assert store.client.get_object(Bucket=BUCKET, Key=STORED)["Body"].read() == b"x"


def test_who_has_no_keys_is_refused(store: SeaweedFS) -> None:
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        store.client_of("nobody", "nothing").list_objects_v2(Bucket=BUCKET)


def test_an_installation_beside_another_in_one_bucket_sees_its_own_part_only(tmp_path: Path) -> None:
    [policy] = identities(tmp_path / "part", BUCKET, "eu", ["sweep"])["policies"]
    assert f"arn:aws:s3:::{BUCKET}/eu/data/*" in policy["content"]
    assert f"{BUCKET}/data/" not in policy["content"]


def test_an_identity_without_keys_is_left_out_and_an_unknown_one_refused(tmp_path: Path) -> None:
    made = identities(tmp_path / "some", BUCKET, names=["read", "write"])
    assert [one["name"] for one in made["identities"]] == [one["name"] for one in made["policies"]] == ["read", "write"]
    assert all("actions" not in one for one in made["identities"])
    with pytest.raises(subprocess.CalledProcessError) as refused:
        identities(tmp_path / "unknown", BUCKET, names=["root"])
    assert 'there is no identity "root"' in refused.value.stderr
