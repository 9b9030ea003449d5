from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from holdfast.audit.signing import Signing, Unsigned, load
from holdfast.identity import es256
from holdfast.identity.keys import KeyUnusable
from holdfast.settings import Settings

SAYS = {"workspace": "ada_space", "chain": "acts", "number": 1, "hash": "0" * 64}


def public(pem: bytes) -> str:
    key = load_pem_private_key(pem, None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_key_is_made_and_kept_where_none_is_configured(tmp_path: Path) -> None:
    signed = load(Settings(data=tmp_path)).sign("seal", SAYS)
    assert load(Settings(data=tmp_path)).read("seal", signed) == SAYS
    assert (tmp_path / "audit.key").stat().st_mode & 0o077 == 0


def test_what_an_earlier_key_signed_holds_while_its_public_key_is_configured(tmp_path: Path) -> None:
    old, new = es256.new_private_key(), es256.new_private_key()
    signed = load(Settings(data=tmp_path, audit_private_key=old.decode())).sign("seal", SAYS)
    rotated: dict[str, Any] = {"data": tmp_path, "audit_private_key": new.decode()}
    with pytest.raises(Unsigned, match="not known"):
        load(Settings(**rotated)).read("seal", signed)
    kept = load(Settings(**rotated, audit_previous_public_keys=public(old)))
    assert kept.read("seal", signed) == SAYS
    assert [key["kid"] for key in kept.public()] == [es256.private_key(pem, "TEST").kid for pem in (old, new)]


@pytest.fixture
def signing(tmp_path: Path) -> Signing:
    return load(Settings(data=tmp_path))


def test_a_checkpoint_is_no_seal_and_a_token_neither(signing: Signing) -> None:
    with pytest.raises(Unsigned, match="no signed seal"):
        signing.read("seal", signing.sign("checkpoint", SAYS))
    key = signing._keys.signing
    with pytest.raises(Unsigned, match="no signed seal"):
        signing.read("seal", jwt.encode(SAYS, key.signing, "ES256", {"kid": key.kid}))


@pytest.mark.parametrize("where", ["payload", "signature"])
def test_what_was_changed_is_refused(signing: Signing, where: str) -> None:
    header, payload, signature = signing.sign("seal", SAYS).split(".")
    if where == "payload":
        payload = signing.sign("seal", SAYS | {"number": 2}).split(".")[1]
    else:
        signature = signature[::-1]
    with pytest.raises(Unsigned, match="does not hold"):
        signing.read("seal", f"{header}.{payload}.{signature}")


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "a" * 5000])
def test_what_is_no_signature_at_all_is_refused(signing: Signing, text: str) -> None:
    with pytest.raises(Unsigned):
        signing.read("seal", text)


def test_a_key_that_cannot_be_used_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="HOLDFAST_AUDIT_PRIVATE_KEY"):
        load(Settings(data=tmp_path, audit_private_key="no key"))
    with pytest.raises(KeyUnusable, match="HOLDFAST_AUDIT_PREVIOUS_PUBLIC_KEYS"):
        load(Settings(data=tmp_path, audit_previous_public_keys="no key"))
