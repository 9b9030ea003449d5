from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from holdfast.policies.words import Action
from holdfast_operator import names

NAMESPACE = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
NAME = st.from_regex(r"\A[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")
LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


@given(NAMESPACE, NAME, st.sampled_from(Action))
def test_names_are_such_as_kubernetes_takes(namespace: str, name: str, action: Action) -> None:
    key, prefix = f"{namespace}/{name}", "p" * names.LONGEST_PREFIX
    assert len(names.cron_job(prefix, key, action)) <= 52
    assert len(names.job(prefix, key, action, "preview 1")) <= 63
    assert LABEL.fullmatch(names.label(name))
    assert re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", names.bundle_key(key))


def test_long_names_stay_apart_when_they_are_shortened() -> None:
    one, other = "a" * 200 + "b", "a" * 200 + "c"
    assert names.label(one) != names.label(other)
    assert names.bundle_key(f"n/{'x' * 250}b") != names.bundle_key(f"n/{'x' * 250}c")
    assert names.label("short") == "short"


def test_a_namespace_and_a_name_never_make_another_ones_key() -> None:
    assert names.cron_job("holdfast", "a/b-c", Action.ARCHIVE) != names.cron_job("holdfast", "a-b/c", Action.ARCHIVE)
    assert names.bundle_key("a/b.c") == "a.b.c.yaml"


def test_an_annotation_names_several_digests() -> None:
    assert names.words(" sha256:a, sha256:b\nc,") == {"sha256:a", "sha256:b", "c"}
