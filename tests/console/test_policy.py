"""What the page's Content-Security-Policy lets run: scripts of ours, and nothing that somebody put into the page."""

from __future__ import annotations

import re

import pytest

from tests.stacks import SQLITE, Stack


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_the_page_runs_its_own_scripts_and_nothing_inline(stack: Stack) -> None:
    with stack.client() as http:
        page = http.get("/console/upload")
        assert page.status_code == 200
        policy = dict(
            part.strip().partition(" ")[::2] for part in page.headers["content-security-policy"].split(";") if part.strip()
        )
        assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
        assert "unsafe-" not in page.headers["content-security-policy"]
        scripts = re.findall(r"(?s)<script\b([^>]*)>(.*?)</script>", page.text)
        assert [inside for _, inside in scripts] == [""]
        assert all("src=" in attributes for attributes, _ in scripts)
        assert not re.search(r"<[^>]*\son\w+\s*=|javascript:", page.text)
