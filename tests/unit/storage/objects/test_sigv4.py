"""Our signatures are botocore's, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qs, parse_qsl, urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.storage.objects.sigv4 import (
    MAX_LINK_SECONDS,
    Credentials,
    encode_query,
    presign_get,
    presign_put,
    quote_path,
    sign_headers,
)

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
STAMP = "%Y%m%dT%H%M%SZ"
NOW = datetime(2026, 11, 21, 14, 3, 7, 654321, tzinfo=UTC)

texts = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=80)
keys = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=80).filter(
    lambda key: not key.startswith("/")
)
origins = st.sampled_from(["http://127.0.0.1:8333", "https://s3.example.org", "https://s3.example.org:9443", "http://seaweedfs-s3"])
regions = st.sampled_from(["us-east-1", "eu-central-1"])
moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  (as it wants them)

_clients: dict[tuple[str, str], Any] = {}


def client(origin: str, region: str) -> Any:
    if (origin, region) not in _clients:
        session = boto3.session.Session(aws_access_key_id=ACCESS, aws_secret_access_key=SECRET, region_name=region)
        config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
        _clients[origin, region] = session.client("s3", endpoint_url=origin, config=config)
    return _clients[origin, region]


@settings(deadline=None)  # botocore takes its time to make a client
@given(
    origin=origins,
    region=regions,
    key=keys,
    content_type=texts,
    disposition=st.one_of(texts, texts.map(lambda name: f"attachment; filename=\"x\"; filename*=UTF-8''{name}")),
    seconds=st.integers(1, MAX_LINK_SECONDS),
)
def test_a_link_is_the_one_that_botocore_makes(
    origin: str, region: str, key: str, content_type: str, disposition: str, seconds: int
) -> None:
    parameters = {"Bucket": "b", "Key": key, "ResponseContentType": content_type, "ResponseContentDisposition": disposition}
    theirs = client(origin, region).generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
    now = datetime.strptime(parse_qs(urlsplit(theirs).query)["X-Amz-Date"][0], STAMP).replace(tzinfo=UTC)

    ours = presign_get(
        Credentials(ACCESS, SECRET, region),
        origin=origin,
        path=quote_path(f"/b/{key}"),
        expires=now + timedelta(seconds=seconds),
        content_type=content_type,
        disposition=disposition,
        now=now,
    )

    assert ours == theirs


@settings(deadline=None)
@given(
    origin=origins,
    region=regions,
    key=keys,
    upload=texts,
    number=st.integers(1, 10_000),
    length=st.integers(0, 1 << 40),
    seconds=st.integers(1, MAX_LINK_SECONDS),
)
def test_a_link_to_put_a_part_is_the_one_that_botocore_makes(
    origin: str, region: str, key: str, upload: str, number: int, length: int, seconds: int
) -> None:
    path, query = quote_path(f"/b/{key}"), encode_query({"partNumber": str(number), "uploadId": upload})
    headers = {"content-length": str(length), "x-amz-checksum-sha256": "abc="}
    theirs = AWSRequest("PUT", f"{origin}{path}?{query}", headers=headers)
    signer = cast("Any", S3SigV4QueryAuth)(BotoCredentials(ACCESS, SECRET), "s3", region, seconds)
    signer.add_auth(theirs)
    now = datetime.strptime(theirs.context["timestamp"], STAMP).replace(tzinfo=UTC)

    ours = presign_put(
        Credentials(ACCESS, SECRET, region),
        origin=origin,
        path=path,
        query=query,
        headers=headers,
        expires=now + timedelta(seconds=seconds),
        now=now,
    )

    assert sorted(parse_qsl(urlsplit(ours).query)) == sorted(parse_qsl(urlsplit(str(theirs.url)).query))


@settings(deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE"]),
    key=keys,
    query=st.dictionaries(st.sampled_from(["partNumber", "uploadId", "versionId"]), texts),
    value=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40),
    region=regions,
)
def test_signed_headers_are_those_that_botocore_makes(
    method: str, key: str, query: dict[str, str], value: str, region: str
) -> None:
    path, arguments = quote_path(f"/b/{key}"), encode_query(dict(sorted(query.items())))
    headers = {"host": "s3.example.org:8333", "content-type": value, "x-amz-checksum-sha256": "abc="}
    theirs = AWSRequest(method, f"http://s3.example.org:8333{path}?{arguments}", headers=headers, data=b"body")
    signer = cast("Any", S3SigV4Auth)(BotoCredentials(ACCESS, SECRET), "s3", region)
    signer.add_auth(theirs)
    now = datetime.strptime(theirs.context["timestamp"], STAMP).replace(tzinfo=UTC)

    ours = sign_headers(
        Credentials(ACCESS, SECRET, region),
        method=method,
        path=path,
        query=arguments,
        headers=headers,
        payload_sha256=theirs.headers["X-Amz-Content-SHA256"],
        now=now,
    )

    assert ours["authorization"] == theirs.headers["Authorization"]
    assert ours["x-amz-date"] == theirs.headers["X-Amz-Date"]


def link_for(expires: datetime, now: datetime = NOW) -> dict[str, list[str]]:
    url = presign_get(
        Credentials(ACCESS, SECRET),
        origin="http://h",
        path="/b/k",
        expires=expires,
        content_type="a/b",
        disposition="inline",
        now=now,
    )
    return parse_qs(urlsplit(url).query)


@given(now=moments, life=st.timedeltas(timedelta(seconds=2), timedelta(days=7)))
def test_a_link_ends_less_than_two_seconds_before_its_date_and_never_after_it(now: datetime, life: timedelta) -> None:
    query = link_for(now + life, now)

    signed = datetime.strptime(query["X-Amz-Date"][0], STAMP).replace(tzinfo=UTC)
    end = signed + timedelta(seconds=int(query["X-Amz-Expires"][0]))
    assert now + life - timedelta(seconds=2) < end <= now + life


@pytest.mark.parametrize(
    ("life", "seconds"),
    [(timedelta(days=-1), 1), (timedelta(0), 1), (timedelta(days=7, seconds=5), MAX_LINK_SECONDS), (timedelta(days=400), 604800)],
)
def test_a_link_lives_between_one_second_and_seven_days(life: timedelta, seconds: int) -> None:
    assert link_for(NOW + life)["X-Amz-Expires"] == [str(seconds)]


def test_no_representation_shows_the_secret() -> None:
    assert SECRET not in repr(Credentials(ACCESS, SECRET))
