"""Logging in, and whatever else asks for a password: throttled, of equal length for unknown users, and on the audit trail.

It is plain SQL on ``holdfast.database.direct``, because the ``token`` function, whose start is measured, needs nothing else. A
failure is counted in the transaction that puts it on the trail. A success is one only if its name and its address still need not
wait when it is recorded: of a burst of guesses that all begin before the first has failed, no more than the limit are worth
anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdfast.audit import trail
from holdfast.errors import Forbidden, TooManyRequests, Unauthenticated
from holdfast.identity import names, passwords, throttle
from holdfast.identity.tokens import Account

if TYPE_CHECKING:
    from holdfast.database.direct import Direct, Transaction
    from holdfast.services import Services

_USER = (
    "SELECT u.id, u.password_hash, u.permissions, u.token_epoch, w.name FROM users u "
    "LEFT JOIN workspaces w ON w.id = u.workspace_id WHERE u.name_folded = :name_folded AND u.username = :username"
)
_WAITING = "SELECT blocked_until FROM login_failures WHERE subject IN (:name, :address) AND blocked_until > :now"
_COUNT = (
    "UPDATE login_failures SET failures = CASE WHEN last_at < :forgotten THEN 1 ELSE failures + 1 END, last_at = :now, "
    "blocked_until = NULL WHERE subject = :subject"
)
_FIRST = "INSERT INTO login_failures (subject, failures, last_at) VALUES (:subject, 1, :now)"
_COUNTED = "SELECT failures FROM login_failures WHERE subject = :subject"
_BLOCK = "UPDATE login_failures SET blocked_until = :until WHERE subject = :subject"
_CLEAR = "UPDATE login_failures SET failures = 0, blocked_until = NULL WHERE subject = :subject"
_REHASH = "UPDATE users SET password_hash = :new WHERE id = :id AND password_hash = :old"
_CHANGE = "UPDATE users SET password_hash = :new, token_epoch = token_epoch + 1 WHERE id = :id AND token_epoch = :epoch"


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A password that somebody at ``address`` gave for ``username`` at ``now``, and whom it would be."""

    username: str
    address: str | None
    now: datetime
    account: Account | None
    kept: str | None


def login(services: Services, username: str, password: str, address: str | None) -> tuple[str, Account]:
    """A token, and whom it is for. Blocks for the time of a hash. Raises Unauthenticated, TooManyRequests."""
    attempt = _look_up(services, username, address)
    account = _prove(services, attempt, password, "login")
    if account is None or attempt.kept is None:
        raise Unauthenticated("The user name or the password is wrong.", slug="wrong-credentials")
    rehash = (
        {"new": passwords.hashed(password), "old": attempt.kept, "id": account.user_id} if passwords.outdated(attempt.kept) else {}
    )

    def act(transaction: Transaction) -> None:
        _succeed(transaction, attempt)
        if rehash:
            transaction.execute(_REHASH, rehash)
        trail.record_direct(transaction, _entry("login", attempt, success=True))

    services.direct.write(act)
    return services.tokens.issue(account), account


def change_password(services: Services, username: str, old: str, new: str, address: str | None) -> str:
    """A new password, and a token; all earlier tokens are void. Raises Forbidden when ``old`` is wrong, TooManyRequests, and
    Unauthenticated when the password was changed in the meantime."""
    attempt = _look_up(services, username, address)
    account = _prove(services, attempt, old, "change-password")
    if account is None:
        raise Forbidden("The old password is wrong.", slug="wrong-password")
    kept = passwords.hashed(new)

    def act(transaction: Transaction) -> None:
        _succeed(transaction, attempt)
        if not transaction.execute(_CHANGE, {"new": kept, "id": account.user_id, "epoch": account.epoch}):
            raise Unauthenticated("The token was revoked. Log in again.")
        trail.record_direct(transaction, _entry("change-password", attempt, success=True))

    services.direct.write(act)
    return services.tokens.issue(replace(account, epoch=account.epoch + 1))


def _look_up(services: Services, username: str, address: str | None) -> _Attempt:
    """The attempt, if it may be looked at now. Raises TooManyRequests."""
    now = services.clock()
    # What can be nobody's name is looked for all the same: a refusal takes as long whoever it is about.
    key = names.user_key(username) if names.possible(username) else ""
    found = services.direct.one(_USER, {"name_folded": key, "username": username if key else ""})
    account = kept = None
    if found:
        user_id, kept, permissions, epoch, workspace = found
        account = Account(user_id, username, workspace or "", frozenset(permissions.split(",")) - {""}, epoch)
    attempt = _Attempt(username, address, now, account, kept)
    _refuse_waiting(services.direct, attempt)
    return attempt


def _prove(services: Services, attempt: _Attempt, password: str, operation: str) -> Account | None:
    """The account, if it is its password; otherwise None, and the failure is counted and on the trail."""
    if passwords.verify(password, attempt.kept) and attempt.account is not None:
        return attempt.account

    def act(transaction: Transaction) -> None:
        limit, wait = services.settings.login_failures, services.settings.login_wait_seconds
        _count(transaction, throttle.of_name(attempt.username), attempt.now, limit, wait)
        if address := throttle.of_address(attempt.address):
            _count(transaction, address, attempt.now, limit * throttle.ADDRESS_SHARE, wait)
        trail.record_direct(transaction, _entry(operation, attempt, success=False))

    try:
        services.direct.write(act)
    except Exception as error:
        if type(error).__name__ != "IntegrityError":  # PEP 249's name, whichever the driver
            raise
        services.direct.write(act)  # two counted their first failure at once: now there is a row
    return None


def _succeed(transaction: Transaction, attempt: _Attempt) -> None:
    """Clears the name's failures, unless there are too many of them by now. Raises TooManyRequests."""
    _refuse_waiting(transaction, attempt)
    transaction.execute(_CLEAR, {"subject": throttle.of_name(attempt.username)})


def _count(transaction: Transaction, subject: str, now: datetime, limit: int, wait: int) -> None:
    if not transaction.execute(_COUNT, {"subject": subject, "now": now, "forgotten": now - throttle.FORGOTTEN}):
        transaction.execute(_FIRST, {"subject": subject, "now": now})
    [failures] = transaction.one(_COUNTED, {"subject": subject}) or (1,)
    if until := throttle.blocked_until(failures, now, limit, wait):
        transaction.execute(_BLOCK, {"subject": subject, "until": until})


def _refuse_waiting(database: Direct | Transaction, attempt: _Attempt) -> None:
    name, address = throttle.of_name(attempt.username), throttle.of_address(attempt.address) or ""
    until = [row[0] for row in database.all(_WAITING, {"name": name, "address": address, "now": attempt.now})]
    if until:
        seconds = throttle.seconds_until(max(until), attempt.now)
        raise TooManyRequests("Too many failed logins. Wait before the next one.", retry_after=seconds)


def _entry(operation: str, attempt: _Attempt, *, success: bool) -> dict[str, Any]:
    """Of a name that nobody can have only the attempt is kept: it may be a password, typed into the wrong field."""
    return trail.entry(
        operation,
        attempt.now,
        workspace=(attempt.account.branch or None) if attempt.account else None,
        username=attempt.username if names.possible(attempt.username) else None,
        success=success,
        address=attempt.address,
    )
