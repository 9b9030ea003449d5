"""A token holds if we signed it, with a key that we still trust, and not yet too long ago; nothing else does."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from holdfast.errors import Unauthenticated
from holdfast.identity import es256
from holdfast.identity.access import Claims
from holdfast.identity.keys import KeyUnusable, load
from holdfast.identity.tokens import LONGEST, Account, Tokens
from holdfast.settings import Settings

ADA = Account(user_id=7, username="ada", branch="ada_space", permissions=frozenset({"list", "download"}), epoch=3)
SECRET = "an honest secret of enough bytes!"
OTHER = "another secret of enough bytes too"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def tokens(data: Path, clock: Clock | None = None, **settings: Any) -> Tokens:
    given = Settings(data=data, **settings)
    return Tokens(load(given), given.token_minutes, clock or Clock())


def hs256(data: Path, clock: Clock | None = None, **settings: Any) -> Tokens:
    return tokens(data, clock, token_secret=settings.pop("token_secret", SECRET), **settings)


def payload(token: str) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return decoded


@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
def test_what_was_issued_verifies(tmp_path: Path, algorithm: str) -> None:
    ours = tokens(tmp_path, token_algorithm=algorithm)
    claims = ours.verify(ours.issue(ADA))
    assert claims == Claims(user_id=7, username="ada", issuer="", jti=claims.jti, epoch=3)


def test_a_token_carries_what_the_first_systems_tokens_carry(tmp_path: Path) -> None:
    body = payload(hs256(tmp_path).issue(ADA))
    assert (body["username"], body["branch"], body["permissions"]) == ("ada", "ada_space", ["download", "list"])
    assert body["exp"] - body["iat"] == 30 * 60
    assert len(body["jti"]) == 32


def test_no_two_tokens_have_one_id(tmp_path: Path) -> None:
    ours = hs256(tmp_path)
    assert ours.verify(ours.issue(ADA)).jti != ours.verify(ours.issue(ADA)).jti


def test_our_hs256_signature_is_the_standard_s(tmp_path: Path) -> None:
    token = hs256(tmp_path).issue(ADA)
    assert jwt.decode(token, SECRET, ["HS256"], audience="holdfast", options={"verify_exp": False, "verify_iat": False})


def test_it_holds_for_its_minutes_also_when_it_was_verified_before(tmp_path: Path) -> None:
    clock = Clock()
    ours = hs256(tmp_path, clock, token_minutes=10)
    token = ours.issue(ADA)
    clock.now += timedelta(minutes=10)
    assert ours.verify(token).username == "ada"
    assert ours.expiry(token) == clock.now
    clock.now += timedelta(seconds=6)
    with pytest.raises(Unauthenticated, match="expired"):
        ours.verify(token)
    with pytest.raises(Unauthenticated, match="expired"):
        hs256(tmp_path, clock).verify(token)


def test_one_from_the_future_does_not_hold(tmp_path: Path) -> None:
    clock = Clock()
    ours = hs256(tmp_path, clock)
    token = ours.issue(ADA)
    clock.now -= timedelta(minutes=1)
    with pytest.raises(Unauthenticated):
        ours.verify(token)


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _tampered(token: str, **changes: Any) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{_part({**payload(token), **changes})}.{signature}"


def _unsigned(token: str, algorithm: str) -> str:
    return f"{_part({**jwt.get_unverified_header(token), 'alg': algorithm})}.{token.split('.')[1]}."


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: _tampered(token, uid=1),
        lambda token: _tampered(token, permissions=["admin"]),
        lambda token: _unsigned(token, "none"),
        lambda token: _unsigned(token, "None"),
        lambda token: token[:-2],
        lambda token: token + "." + token,
        lambda token: token.rsplit(".", 1)[0],
        lambda token: jwt.encode(payload(token), OTHER, "HS256", jwt.get_unverified_header(token)),
        lambda token: jwt.encode(payload(token), SECRET, "HS256"),  # names no key
        lambda token: jwt.encode(payload(token), SECRET, "HS256", {"kid": "unknown"}),
        lambda token: jwt.encode(payload(token), SECRET * 2, "HS512", jwt.get_unverified_header(token) | {"alg": "HS512"}),
        lambda _: "",
        lambda _: "a.b.c",
        lambda _: "\udcff.é.\x00",
        lambda _: _part([1]) + ".e30.e30",
        lambda _: "[" * 2000,
        lambda token: token + "A" * LONGEST,
    ],
)
def test_a_forged_or_broken_token_does_not_hold(tmp_path: Path, forge: Any) -> None:
    ours = hs256(tmp_path)
    with pytest.raises(Unauthenticated):
        ours.verify(forge(ours.issue(ADA)))


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "uid", "epoch", "jti", "iat", "exp"])
def test_a_token_without_a_claim_that_we_write_does_not_hold(tmp_path: Path, missing: str) -> None:
    ours = hs256(tmp_path)
    token = ours.issue(ADA)
    body = {name: value for name, value in payload(token).items() if name != missing}
    with pytest.raises(Unauthenticated):
        ours.verify(jwt.encode(body, SECRET, "HS256", jwt.get_unverified_header(token)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://elsewhere"},
        {"aud": "elsewhere"},
        {"uid": "7"},
        {"uid": True},
        {"epoch": None},
        {"jti": "x" * 33},
        {"exp": 9e99},
    ],
)
def test_a_token_with_a_claim_of_another_kind_does_not_hold(tmp_path: Path, wrong: dict[str, Any]) -> None:
    ours = hs256(tmp_path)
    token = ours.issue(ADA)
    with pytest.raises(Unauthenticated):
        ours.verify(jwt.encode(payload(token) | wrong, SECRET, "HS256", jwt.get_unverified_header(token)))


def test_a_public_key_is_no_secret(tmp_path: Path) -> None:
    """The key says the algorithm: a token signed HS256 with the bytes of our public key does not hold."""
    ours = tokens(tmp_path, token_algorithm="ES256")
    token = ours.issue(ADA)
    private = load_pem_private_key((tmp_path / "token.key").read_bytes(), None)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = jwt.get_unverified_header(token) | {"alg": "HS256"}
    signed = f"{_part(header)}.{token.split('.')[1]}"
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signed.encode(), pem)
    forged = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    with pytest.raises(Unauthenticated):
        ours.verify(forged)


def test_a_previous_secret_s_tokens_hold_until_it_is_taken_away(tmp_path: Path) -> None:
    token = hs256(tmp_path, token_secret=OTHER).issue(ADA)
    assert hs256(tmp_path, token_previous_secrets=f"{SECRET}, {OTHER}").verify(token).username == "ada"
    with pytest.raises(Unauthenticated):
        hs256(tmp_path).verify(token)


def _public_pem(folder: Path) -> str:
    key = load_pem_private_key((folder / "token.key").read_bytes(), None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_previous_public_keys_tokens_hold_and_they_are_published(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("a", "b", "c"))
    issued = [tokens(folder, token_algorithm="ES256").issue(ADA) for folder in (first, second)]
    ours = tokens(third, token_algorithm="ES256", token_previous_public_keys=_public_pem(first) + _public_pem(second))
    assert [ours.verify(token).username for token in issued] == ["ada", "ada"]
    assert len(ours.jwks()["keys"]) == 3
    assert not any("d" in key for key in ours.jwks()["keys"])


def test_from_hs256_to_es256_without_logging_everybody_out(tmp_path: Path) -> None:
    token = hs256(tmp_path).issue(ADA)
    assert tokens(tmp_path, token_algorithm="ES256", token_previous_secrets=SECRET).verify(token).username == "ada"


def test_anybody_can_verify_with_the_published_keys(tmp_path: Path) -> None:
    ours = tokens(tmp_path, token_algorithm="ES256")
    token = ours.issue(ADA)
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(ours.jwks()).keys}
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert (
        jwt.decode(token, key, ["ES256"], audience="holdfast", options={"verify_exp": False, "verify_iat": False})["sub"] == "ada"
    )


def test_secrets_are_not_published(tmp_path: Path) -> None:
    assert hs256(tmp_path).jwks() == {"keys": []}


def test_a_made_secret_is_its_owner_s_alone_and_stays(tmp_path: Path) -> None:
    token = tokens(tmp_path / "new").issue(ADA)
    assert tokens(tmp_path / "new").verify(token).username == "ada"
    [file] = (tmp_path / "new").iterdir()
    assert (file.name, stat.S_IMODE(file.stat().st_mode)) == ("token.secret", 0o600)


def test_two_that_make_the_secret_at_once_agree(tmp_path: Path) -> None:
    gate, made = threading.Barrier(8), []

    def start() -> None:
        gate.wait()
        made.append(tokens(tmp_path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    token = made[0].issue(ADA)
    assert [each.verify(token).username for each in made] == ["ada"] * 8
    assert [file.name for file in tmp_path.iterdir()] == ["token.secret"]


def _p384() -> str:
    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"token_secret": "short"}, "HOLDFAST_TOKEN_SECRET"),
        ({"token_secret": SECRET, "token_previous_secrets": "short"}, "HOLDFAST_TOKEN_PREVIOUS_SECRETS"),
        ({"token_algorithm": "ES256", "token_private_key": "nonsense"}, "HOLDFAST_TOKEN_PRIVATE_KEY"),
        ({"token_secret": SECRET, "token_previous_public_keys": "nonsense"}, "HOLDFAST_TOKEN_PREVIOUS_PUBLIC_KEYS"),
        ({"token_secret": SECRET, "token_previous_public_keys": _p384()}, "P-256"),
    ],
)
def test_a_key_that_cannot_be_used_is_named_and_not_shown(tmp_path: Path, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(KeyUnusable, match=named) as caught:
        load(Settings(data=tmp_path, **settings))
    assert "short" not in str(caught.value)
    assert "nonsense" not in str(caught.value)


def test_without_a_key_and_without_a_place_to_keep_one_there_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyUnusable, match="no key is configured"):
        load(Settings(data=tmp_path / "file"))


def test_a_key_s_name_is_its_thumbprint() -> None:
    """RFC 7638, section 3: the hash of the required members in the order of their names, without white space."""
    public = es256.private_key(es256.new_private_key(), "TEST").public
    assert public is not None
    members = f'{{"crv":"P-256","kty":"EC","x":"{public["x"]}","y":"{public["y"]}"}}'
    digest = hashlib.sha256(members.encode()).digest()
    assert base64.urlsafe_b64decode(public["kid"] + "=") == digest


def test_remembering_tokens_costs_bounded_memory(tmp_path: Path) -> None:
    ours = hs256(tmp_path)
    first = ours.issue(ADA)
    ours.verify(first)
    for _ in range(4100):
        ours.verify(ours.issue(ADA))
    assert len(ours._verified) == 4096
    assert ours.verify(first).username == "ada"
