from __future__ import annotations

from tests.cli.program import Program


def test_a_hold_is_placed_shown_and_released(ada: Program) -> None:
    for name in ("a.txt", "b.txt"):
        (ada.cwd / name).write_text(name)
        ada("upload", name, "--label", f"name={name[0]}")
    placed = ada.json("hold", "place", "Doe v. Example", "--reason", "an order", "--label", "name=a", "--path", "text/**")
    assert (placed["state"], placed["covered"]) == ("active", 1)
    assert placed["scope"] == {"selector": {"paths": ["text/**"], "labels": {"name": "a"}}}
    assert [hold["id"] for hold in ada.json("hold", "ls", "--state", "active")] == [placed["id"]]
    assert ada.json("hold", "show", placed["id"]) == placed
    [version] = ada.json("hold", "versions", placed["id"])
    assert version["asset_path"] == "text/txt/a"
    ada("archive", "text/txt/a")
    assert placed["id"] in ada("destroy", "text/txt/a", "--yes", code=5).stderr
    assert ada.json("hold", "release", placed["id"])["state"] == "released"
    ada("destroy", "text/txt/a", "--yes")


def test_a_hold_on_single_versions_or_assets(ada: Program) -> None:
    (ada.cwd / "a.txt").write_text("a")
    [version] = ada.json("upload", "a.txt")
    name = f"{version['asset_path']}@{version['version_id']}"
    assert ada.json("hold", "place", "m", "--reason", "r", "--version", name)["covered"] == 1
    assert ada.json("hold", "place", "m", "--reason", "r", "--asset", "text/txt/a", "--until", "2120-01-01")["until"] is not None
    assert ada.json("hold", "place", "m", "--reason", "r", "--all")["scope"] == {"selector": {"all": True}}


def test_a_hold_that_says_nothing_or_nonsense_is_refused(ada: Program) -> None:
    ada("hold", "place", "m", "--reason", "r", code=1)
    ada("hold", "place", "m", "--reason", "r", "--version", "nothing", code=2)
    ada("hold", "place", "m", "--reason", "r", "--asset", "text/txt/nothing", code=1)
    ada("hold", "show", "nothing", code=4)
