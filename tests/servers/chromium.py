"""Debian's Chromium, without a window, driven by Playwright."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.servers.process import ServerMissingError, program

HOW = "sh tests/servers/install.sh servers"


class Chromium:
    """A running browser; each of its contexts is a person's own."""

    def __init__(self, browser: Browser, stop: Callable[[], None]) -> None:
        self.browser = browser
        self.stop = stop

    @classmethod
    def start(cls) -> Chromium:
        """Raises ServerMissingError: there is no `chromium`, or a library is missing that Playwright's own Node.js needs."""
        path: Path = program("chromium", HOW)
        try:
            playwright = sync_playwright().start()
        except Exception as error:  # of no other class
            raise ServerMissingError(f"Playwright's driver does not start ({error}): {HOW}") from error
        try:
            browser = playwright.chromium.launch(executable_path=path, env={**os.environ, "no_proxy": "*"})
        except BaseException:
            playwright.stop()
            raise

        def stop() -> None:
            browser.close()
            playwright.stop()

        return cls(browser, stop)
