"""``/console/upload`` for people who use no mouse, or hear the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.console.person import Person
from tests.console.test_upload import a_film_on_its_way, file, names
from tests.security.tenants import PASSWORD
from tests.servers import npm

CONSOLE = Path(__file__).parents[2] / "console"
pytestmark = pytest.mark.xdist_group("console")


def violations(person: Person) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA and its best practices."""
    person.page.evaluate((CONSOLE / "node_modules/axe-core/axe.min.js").read_text())
    found = person.page.evaluate("axe.run()")
    return [f"{one['id']}: {node['html']}" for one in found["violations"] for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wherever_the_page_may_be(person: Person, tmp_path: Path, scheme: str) -> None:
    npm.install(CONSOLE)
    person.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    person.page.get_by_role("button", name="Sign out").click()
    assert violations(person) == []
    person.sign_in()
    assert violations(person) == []
    person.choose(file(tmp_path, "a.txt", b"a"))
    person.has("a.txt", "done")
    person.press("Make a link", "a.txt")
    expect(person.row("a.txt").get_by_role("link")).to_be_visible()
    person.choose(file(tmp_path, "con.txt", b"a"))
    person.has("con.txt", "failed")
    a_film_on_its_way(person, tmp_path)
    person.press("Pause", "film.bin")
    assert violations(person) == []
    person.choose(file(tmp_path, "a.txt", b"another"))
    expect(person.page.get_by_role("dialog", name="A new version?")).to_be_visible()
    assert violations(person) == []


def test_everything_is_done_by_keyboard(person: Person, tmp_path: Path) -> None:
    page = person.page
    press = page.keyboard.press

    def focus(role: str, name: str) -> None:
        """Goes there with the tab key, as there is a way."""
        for _ in range(30):
            press("Tab")
            if page.evaluate("e => document.activeElement === e", page.locator(role, has_text=name).first.element_handle()):
                return
        raise AssertionError(f"no way to {name}")

    focus("#sign-out", "Sign out")
    press("Enter")
    page.keyboard.type(person.user.account.username)
    press("Tab")
    page.keyboard.type(PASSWORD)
    press("Enter")
    expect(page.get_by_role("heading", name="Upload to Holdfast")).to_be_focused()
    for _ in range(2):
        press("Tab")  # Sign out, the folder
    with page.expect_file_chooser() as choosing:
        press("Tab")
        press("Enter")
    choosing.value.set_files(file(tmp_path, "a.txt", b"first"))
    person.has("a.txt", "done")
    person.choose(file(tmp_path, "a.txt", b"second!"))
    dialog = page.get_by_role("dialog", name="A new version?")
    expect(dialog).to_be_visible()
    for _ in range(12):  # the focus stays within
        press("Tab")
        assert page.evaluate("document.activeElement === document.body || document.activeElement.closest('dialog') !== null")
    press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#files > li[data-state=skipped]")).to_have_count(1)
    focus("button", "Remove finished ones")
    press("Enter")
    expect(page.locator("#files > li")).to_have_count(0)
    expect(page.locator("#files-title")).to_be_focused()
    assert names(person) == ["a.txt"]


def test_a_screen_reader_is_told_what_happened_in_a_sentence(person: Person, tmp_path: Path) -> None:
    page = person.page
    page.evaluate("""() => {
        window.told = []
        const region = document.querySelector('[role=status]')
        new MutationObserver(() => window.told.push(region.textContent)).observe(region, {childList: true, characterData: true})
    }""")
    person.choose(*(file(tmp_path, f"{number}.txt", b"x") for number in range(20)))
    expect(page.locator("#summary")).to_contain_text("20 of 20 files done")
    expect(page.get_by_role("status")).to_contain_text("done")
    told = page.evaluate("window.told")
    assert not [sentence for sentence in told if "%" in sentence]  # the progress has its bars
    assert 1 <= len(told) <= 1 + 20
    assert page.get_by_role("progressbar", name="3.txt", exact=True).get_attribute("max") == "1"
