"""Events as AWS's gateways send them to a function: their documented forms, with what a real one puts into them.

Each takes the same request. ``query`` and ``headers`` are pairs, since both may repeat a name; a body that is no text comes as
base64.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

Pairs = Sequence[tuple[str, str]]
Gateway = Callable[..., dict[str, Any]]

CLIENT = "203.0.113.7"
HOST = "abcdefghij.execute-api.eu-central-1.amazonaws.com"
COMMON = [
    ("accept", "*/*"),
    ("host", HOST),
    ("user-agent", "curl/8.14.1"),
    ("x-amzn-trace-id", "Root=1-6926f3a0-3c1f0b7d5d1f4e2a6b8c9d0e"),
    ("x-forwarded-for", CLIENT),
    ("x-forwarded-port", "443"),
    ("x-forwarded-proto", "https"),
]


def rest_api(method: str, path: str, query: Pairs = (), headers: Pairs = (), body: bytes | None = None) -> dict[str, Any]:
    """API Gateway REST API, proxy integration, payload format 1.0: parameters decoded, and twice, with their last value and all."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": dict([*COMMON, *headers]),
        "multiValueHeaders": several([*COMMON, *headers]),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": several(query) or None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourceId": "2gxmpl",
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "extendedRequestId": "JJbxmplHYosFVYQ=",
            "requestTime": "26/Nov/2026:19:03:58 +0000",
            "path": f"/prod{path}",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainPrefix": "abcdefghij",
            "requestTimeEpoch": 1795719838000,
            "requestId": "79104EXAMPLEB723",
            "identity": {"sourceIp": CLIENT, "userAgent": "curl/8.14.1", "accessKey": None, "user": None, "userArn": None},
            "domainName": HOST,
            "apiId": "abcdefghij",
        },
        **encoded(body),
    }


def http_api(
    method: str, path: str, query: Pairs = (), headers: Pairs = (), body: bytes | None = None, cookies: Sequence[str] = ()
) -> dict[str, Any]:
    """API Gateway HTTP API and function URLs, format 2.0: the raw query, a name's values joined by commas, cookies apart."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query),
        "headers": {name: ",".join(values) for name, values in several([*COMMON, *headers]).items()},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdefghij",
            "domainName": HOST,
            "domainPrefix": "abcdefghij",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": CLIENT, "userAgent": "curl/8.14.1"},
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "26/Nov/2026:19:03:58 +0000",
            "timeEpoch": 1795719838000,
        },
        **encoded(body),
    }
    if cookies:
        event["cookies"] = list(cookies)
    if query:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in several(query).items()}
    return {key: value for key, value in event.items() if value is not None}


def load_balancer(method: str, path: str, query: Pairs = (), headers: Pairs = (), body: bytes | None = None) -> dict[str, Any]:
    """An Application Load Balancer with multi-value headers: path and parameters as they were sent, encoded."""
    group = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/holdfast/49e9d65c45c6791a"
    return {
        "requestContext": {"elb": {"targetGroupArn": group}},
        "httpMethod": method,
        "path": quote(path),
        "multiValueQueryStringParameters": several([(quote_plus(name), quote_plus(value)) for name, value in query]),
        "multiValueHeaders": several([*COMMON, *headers]),
        **{**encoded(body), "body": encoded(body)["body"] or ""},
    }


GATEWAYS: list[Gateway] = [rest_api, http_api, load_balancer]


def several(pairs: Pairs) -> dict[str, list[str]]:
    values = defaultdict(list)
    for name, value in pairs:
        values[name].append(value)
    return dict(values)


def encoded(body: bytes | None) -> dict[str, Any]:
    if body is None:
        return {"body": None, "isBase64Encoded": False}
    try:
        return {"body": body.decode("ascii"), "isBase64Encoded": False}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def content(reply: dict[str, Any]) -> bytes:
    """The body as a gateway hands it on to the client."""
    text: str = reply["body"]
    return base64.b64decode(text) if reply["isBase64Encoded"] else text.encode()


def header(reply: dict[str, Any], name: str) -> str:
    """A header of the reply, in whichever of the forms it comes. Raises KeyError."""
    single = reply.get("headers") or {}
    if name in single:
        return str(single[name])
    return ", ".join(reply["multiValueHeaders"][name])
