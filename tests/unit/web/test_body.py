from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from holdfast.errors import Invalid, Malformed, Problem, TooLarge, UnsupportedMediaType
from holdfast.web import body
from holdfast.web.forms import fields
from holdfast.web.multipart import Limits
from tests.unit.web.asking import request


class User(BaseModel):
    model_config = ConfigDict(extra="forbid")
    username: str
    password: str = "x"


JSON = {"Content-Type": "application/json; charset=utf-8"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def parsed(text: bytes, headers: dict[str, str] | None = None) -> User:
    return asyncio.run(body.json_body(request([text[:3], text[3:]], JSON | (headers or {})), User, 100))


def test_json_becomes_the_model() -> None:
    assert parsed('{"username": "größe"}'.encode()) == User(username="größe")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", Malformed),
        (b"{", Malformed),
        (b"\xff", Malformed),
        (b'{"username": "\\ud800"}', Malformed),
        (b"[" * 99, Malformed),
        (b"[]", Invalid),
        (b"{}", Invalid),
        (b'{"username": 1}', Invalid),
        (b'{"username": "a", "admin": true}', Invalid),
        (b" " * 101, TooLarge),
    ],
)
def test_any_other_body_is_a_4xx(text: bytes, problem: type[Problem]) -> None:
    with pytest.raises(problem) as raised:
        parsed(text)
    assert type(raised.value) is problem


def test_a_refusal_never_repeats_what_was_sent() -> None:
    with pytest.raises(Invalid) as raised:
        parsed(b'{"username": "a", "password": 987654321}')
    assert "987654321" not in str(vars(raised.value))
    assert raised.value.extra["errors"][0]["loc"] == ["body", "password"]


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Encoding": "gzip"}])
def test_a_body_of_another_type_is_415(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType):
        parsed(b'{"username": "a"}', headers)


def test_a_body_that_is_said_to_be_too_long_is_not_read() -> None:
    with pytest.raises(TooLarge):
        parsed(b'{"username": "a"}', {"Content-Length": "101"})


def read(text: bytes, headers: dict[str, str] = FORM, **limits: Any) -> dict[str, str]:
    return asyncio.run(fields(request([text], headers), Limits(**limits)))


def test_a_login_form_is_read() -> None:
    assert read(b"username=ada&password=a+b%26c%C3%B6&scope=") == {"username": "ada", "password": "a b&cö", "scope": ""}


def test_a_form_may_be_multipart_as_well() -> None:
    text = b'--b\r\nContent-Disposition: form-data; name="username"\r\n\r\nada\r\n--b--\r\n'
    assert read(text, {"Content-Type": "multipart/form-data; boundary=b"}) == {"username": "ada"}


def test_a_file_where_a_field_belongs_is_refused() -> None:
    text = b'--b\r\nContent-Disposition: form-data; name="username"; filename="a"\r\n\r\nada\r\n--b--\r\n'
    with pytest.raises(Invalid, match="not a file"):
        read(text, {"Content-Type": "multipart/form-data; boundary=b"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a=%FF", Malformed),
        (b"a=\xff", Malformed),
        (b"a=1&a=2", Invalid),
        (b"&".join(b"f%d=" % n for n in range(11)), TooLarge),
        (b"&" * 1000, TooLarge),
        (b"a=" + b"x" * 5000, TooLarge),
    ],
)
def test_a_broken_form_is_a_4xx(text: bytes, problem: type[Problem]) -> None:
    with pytest.raises(problem):
        read(text, fields=10, value=4000)


def test_another_type_is_no_form() -> None:
    with pytest.raises(UnsupportedMediaType):
        read(b"{}", JSON)


@given(st.binary(max_size=200))
def test_noise_is_a_form_or_a_4xx(noise: bytes) -> None:
    try:
        found = read(noise)
    except Invalid:
        return
    assert all(isinstance(value, str) for value in found.values())
