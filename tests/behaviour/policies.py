"""An installation with policies, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.asgi import Http
from tests.behaviour.moments import Moving, bearer
from tests.stacks import Stack, User

from holdfast.lifecycle.sweeping import Outcome, Request, sweep
from holdfast.lifecycle.verifying import is_looked_at
from holdfast.policies import folder
from holdfast.policies.model import AssetPolicy
from holdfast.policies.validating import validated
from holdfast.policies.words import Action
from holdfast.services import Services
from holdfast.settings import Settings

GENEROUS = {"maxItems": 1_000_000, "maxPercent": 100}


@dataclass
class Governed:
    """``http`` is the user's."""

    services: Services
    user: User
    http: Http
    clock: Moving

    def move(self, **by: float) -> None:
        """Makes it later, by days or hours; the user logs in anew."""
        self.clock.move(**by)
        self.http.headers.update(bearer(self.services.tokens.issue(self.user.account)))

    def apply(self, name: str = "one", *, annotations: dict[str, str] | None = None, **spec: Any) -> AssetPolicy:
        """Puts a policy into the installation's folder: over all workspaces, enforcing and hardly guarded unless ``spec`` says
        otherwise."""
        whole = {"workspaces": {"all": True}, "mode": "Enforce", "guard": GENEROUS, **spec}
        policy = validated({"metadata": {"name": name, "annotations": annotations or {}}, "spec": whole})
        folder.put(self.services.settings.policies_folder, policy)
        return policy

    def sweep(self, action: str, name: str = "one", **asked: Any) -> Outcome:
        source = self.services.settings.policies_folder
        return sweep(self.services, source, f"default/{name}", Action(action), Request(**asked))


@contextmanager
def governed(stack: Stack, user: User, **settings: Any) -> Iterator[Governed]:
    clock = Moving()
    services = stack.services(clock, **settings)
    with Http(stack.app(services), bearer(services.tokens.issue(user.account))) as http:
        yield Governed(services, user, http, clock)


def outside_the_sample(versions: Iterator[dict[str, Any]], settings: Settings) -> dict[str, Any]:
    """The first of these versions whose bytes are not to be hashed."""
    return next(one for one in versions if not is_looked_at(one["version_id"], settings))
