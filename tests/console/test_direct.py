"""Another application's page, from another origin, uploads straight to the store."""

from __future__ import annotations

import pytest

from tests.servers.chromium import Chromium
from tests.stacks import SQL, Stack
from tests.uploads.test_chunks import begin, content_of
from tests.uploads.test_direct import PART, finish, links

pytestmark = pytest.mark.xdist_group("console")

PIECES = (b"\7" * PART, b"\7" * 1000)
ORIGIN = "http://127.0.0.1:9"  # nobody is there: Playwright answers
PUT = """
async ([url, headers, size]) => (await fetch(url, {method: 'PUT', headers, body: new Uint8Array(size).fill(7)})).status
"""


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_a_page_of_another_origin_puts_parts_to_the_store(stack: Stack, chromium: Chromium) -> None:
    context = chromium.browser.new_context(permissions=["local-network-access"])  # the store is on the loopback
    try:
        page = context.new_page()
        page.route(f"{ORIGIN}/**", lambda route: route.fulfill(body="<!doctype html><title>app</title>", content_type="text/html"))
        page.goto(f"{ORIGIN}/app")
        with stack.client(stack.user("ada")) as http:
            upload, _ = begin(http)
            for link, piece in zip(links(http, upload, PIECES), PIECES, strict=True):
                headers = {name: value for name, value in link["headers"].items() if name != "content-length"}
                assert page.evaluate(PUT, [link["url"], headers, len(piece)]) == 200

            done = finish(http, upload, PIECES)

            assert done.status_code == 200, done.text
            assert content_of(http, done.json()["data"]) == b"".join(PIECES)
    finally:
        context.close()
