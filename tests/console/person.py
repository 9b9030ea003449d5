"""Somebody in front of the page ``/console/upload``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, Request, expect

from tests.security.tenants import PASSWORD, set_password
from tests.servers.chromium import Chromium
from tests.stacks import Stack, User
from tests.uploads.killing import Served

WATCH = """
window.violations = []
addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`))
"""
SLOW = 1 << 20
"""Bytes per second."""

expect.set_options(timeout=60_000)


class Person:
    """``sent``: the requests with bytes since the page was loaded."""

    def __init__(self, context: BrowserContext, server: Served, user: User) -> None:
        self.context, self.server, self.user = context, server, user
        self.page: Page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.sent: list[Request] = []
        self._problems: list[str] = []
        self.page.add_init_script(WATCH)
        self.page.on("pageerror", lambda error: self._problems.append(str(error)))
        self.page.on("console", lambda said: self._problems.append(said.text) if "Content Security Policy" in said.text else None)
        self.page.on("request", lambda request: self.sent.append(request) if request.method == "PATCH" else None)
        self._devtools = context.new_cdp_session(self.page)
        self.open()

    def open(self) -> None:
        self.page.goto(f"{self.server.address}/console/upload")

    def sign_in(self) -> None:
        self.page.locator("#username").fill(self.user.account.username)
        self.page.locator("#password").fill(PASSWORD)
        self.page.locator("#sign-in button").click()
        expect(self.page.get_by_role("heading", name="Choose files")).to_be_visible()

    def reload(self) -> None:
        """And signs in again."""
        self.no_problem()
        self.sent.clear()
        self.page.reload()
        self.sign_in()

    def choose(self, *files: Path) -> None:
        self.page.locator("#choose-files").set_input_files([*files])

    def choose_folder(self, folder: Path) -> None:
        self.page.locator("#choose-folder").set_input_files(folder)

    def drop(self, *paths: Path) -> None:
        """As a file manager does it."""
        box = self.page.locator("#drop").bounding_box()
        assert box is not None
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 5, "data": data}
        for kind in ("dragEnter", "dragOver", "drop"):
            self._devtools.send("Input.dispatchDragEvent", {"type": kind, **where})

    def row(self, path: str) -> Locator:
        named = self.page.locator("p.name", has_text=re.compile(f"^{re.escape(path)}$"))
        return self.page.locator("#files > li", has=named)

    def press(self, act: str, path: str) -> None:
        self.row(path).get_by_role("button", name=f"{act}: {path}").click()

    def has(self, path: str, state: str) -> None:
        """Waits until the file's state is this."""
        expect(self.row(path)).to_have_attribute("data-state", state)

    def sent_some(self, path: str) -> None:
        """Waits until some of its bytes are on their way."""
        expect(self.row(path)).to_contain_text(re.compile("[1-9][0-9]? % of .*/s, .* left"))

    def slowly(self) -> None:
        self._network(upload=SLOW)

    def quickly(self) -> None:
        self._network()

    def offline(self) -> None:
        """Until ``quickly``."""
        self._network(offline=True)

    def _network(self, upload: int = -1, *, offline: bool = False) -> None:
        conditions = {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": upload}
        self._devtools.send("Network.emulateNetworkConditions", conditions)

    def sizes(self) -> Sequence[int]:
        """Bytes of each request that brought some."""
        return [int(request.all_headers().get("content-length", 0)) for request in self.sent]

    def no_problem(self) -> None:
        """No error in the page, and nothing that its policy forbids."""
        assert self._problems == []
        assert self.page.evaluate("window.violations") == []


_numbers = count()


@contextmanager
def at_the_page(stack: Stack, server: Served, chromium: Chromium) -> Iterator[Person]:
    """Somebody new, signed in."""
    user = stack.user(f"ada{next(_numbers)}")
    set_password(stack, user)
    context = chromium.browser.new_context()
    try:
        person = Person(context, server, user)
        person.sign_in()
        yield person
        person.no_problem()
    finally:
        context.close()
