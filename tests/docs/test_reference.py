from __future__ import annotations

import re

import pytest

from holdfast.settings import Settings
from tests.docs.pages import FILES, PAGES, REFERENCE, ROOT


@pytest.mark.parametrize("file", PAGES)
def test_a_generated_page_is_fresh(file: str) -> None:
    assert (REFERENCE / file).read_text() == PAGES[file](), "run: python -m tests.docs.pages"


@pytest.mark.parametrize("file", FILES)
def test_a_generated_file_is_fresh(file: str) -> None:
    assert (ROOT / file).read_text() == FILES[file](), "run: python -m tests.docs.pages"


def test_every_page_of_the_reference_is_generated() -> None:
    assert {page.name for page in REFERENCE.iterdir()} == set(PAGES)


def test_every_setting_says_what_it_does() -> None:
    assert [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")] == []


def test_the_map_names_only_places_that_are_there() -> None:
    named = re.findall(r"`((?:functions|operator|tests)/[^`<]*)`", (ROOT / "docs" / "architecture.md").read_text())
    assert len(named) > 20
    assert [place for place in named if not (ROOT / place).exists()] == []
