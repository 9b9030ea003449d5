"""How the malware scanner is, as 001's clients ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.identity.access import Claims, authorise

if TYPE_CHECKING:
    from holdfast.services import Services

EXAMPLE = {"status": "healthy", "enabled": True, "scanner": "ClamAV 1.4.3/27800/Thu Nov 26 09:31:00 2026"}


def health(services: Services, claims: Claims) -> dict[str, Any]:
    """``healthy``, or ``disabled`` where nothing is scanned; ``scanner`` is what it says it is, with the date of its signatures.
    Blocks. Raises Unauthenticated, Forbidden, ScannerUnavailable."""
    with services.database.read() as connection:
        authorise(connection, claims, "list")
    scanner = services.scanner.check()
    return {"status": "disabled" if scanner is None else "healthy", "enabled": scanner is not None, "scanner": scanner}
