from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from holdfast.requests import request_id
from holdfast.web.logs import JsonFormatter, redacted


def line(message: str, *arguments: object, **extra: Any) -> dict[str, Any]:
    record = logging.LogRecord("holdfast.x", logging.WARNING, __file__, 1, message, arguments, extra.pop("exc_info", None))
    record.__dict__.update(extra)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_is_one_json_object_with_the_requests_id() -> None:
    token = request_id.set("r1")
    try:
        found = line("a\nb %s", "ü", fields={"status": 200})
    finally:
        request_id.reset(token)
    assert found | {"time": ""} == {
        "time": "",
        "level": "warning",
        "logger": "holdfast.x",
        "message": "a\nb ü",
        "request_id": "r1",
        "status": 200,
    }


def test_outside_of_a_request_there_is_no_id() -> None:
    assert "request_id" not in line("hello")


def test_an_error_is_told_without_its_token() -> None:
    try:
        raise ValueError("Authorization: Bearer abc.def.ghi")
    except ValueError:
        found = line("failed", exc_info=sys.exc_info())
    assert "ValueError: Authorization: Bearer ***" in found["exception"]
    assert "abc.def" not in found["exception"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /b/k?X-Amz-Signature=aa&X-Amz-Expires=3 200", "GET /b/k?X-Amz-Signature=***&X-Amz-Expires=*** 200"),
        ("/content/a?signature=geheim&file=b", "/content/a?signature=***&file=b"),
        ("authorization: basic YTpi", "authorization: basic ***"),
        ("tokens=3, the bearer", "tokens=3, the bearer"),
    ],
)
def test_what_looks_like_a_secret_is_left_out(text: str, shown: str) -> None:
    assert redacted(text) == shown
