"""A user's name makes a branch."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import Invalid
from holdfast.identity import names

LAKEFS = re.compile(r"^\w[-\w]*$", re.ASCII)


@given(st.text(max_size=70) | st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_every_name_that_is_taken_makes_a_branch(name: str) -> None:
    if names.possible(name):
        assert names.checked(name) == name
        assert LAKEFS.fullmatch(names.branch(name))
        assert len(names.branch(name)) <= 80
        assert len(names.user_key(name)) <= 330
    else:
        with pytest.raises(Invalid):
            names.checked(name)


@pytest.mark.parametrize("name", ["holdfast", "System", "NOBODY", "anonymous", "everybody"])
def test_reserved_names_are_nobody_s(name: str) -> None:
    assert not names.possible(name)


def test_one_name_of_two_issuers_is_two_users() -> None:
    assert names.user_key("ada") == names.user_key("Ada") != names.user_key("ada", "https://elsewhere")
