"""What the demo does, in order. Every answer is checked: the first that is not what it should be ends the demo."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.api import Api
from holdfast.cli.demo import material
from holdfast.cli.demo.person import Person, read, sha256_of
from holdfast.cli.failures import Failure
from holdfast.cli.output import cell, printable, size

if TYPE_CHECKING:
    from rich.console import Console

    from holdfast.cli.demo.server import Server


def tell(server: Server, folder: Path, console: Console) -> Person:
    """The whole story on ``server``, with copies of the files below ``folder``. Returns its hero. Raises Failure."""
    story = Story(server, folder, console, Person(server.url, "ada"))
    began = time.monotonic()
    story.accounts()
    story.uploads()
    story.versions()
    story.downloads()
    story.lists()
    story.sharing()
    story.lifecycle()
    story.verify()
    story.trail()
    console.print(f"\n[bold green]All of it as it should be[/], in {time.monotonic() - began:.1f} s.")
    return story.ada


@dataclass
class Story:
    """``assets`` are by the name of their primary file, ``hashes`` those of the files on disk, by version and file."""

    server: Server
    folder: Path
    console: Console
    ada: Person

    def __post_init__(self) -> None:
        self.assets: dict[str, dict[str, Any]] = {}
        self.hashes: dict[tuple[str, str], str] = {}

    # -- the steps -----------------------------------------------------------------------------------------------------

    def accounts(self) -> None:
        self._chapter("A user and his workspace")
        self.ada.register()
        branch = self.ada.log_in()
        self._said(f"{self.ada.username} registered and works in {branch}")

    def uploads(self) -> None:
        self._chapter("Uploads: photographs and documents, with what belongs to them")
        credits_ = self._file(material.CREDITS)
        self._upload(material.ROCKET, [credits_, self._file(material.LICENCE)], labels='{"kind": "photo"}')
        self._upload(material.HUBBLE, [credits_], labels='{"kind": "photo"}', archive_ttl="30", destroy_ttl="365")
        self._upload(material.RETINA, [])
        self._upload(material.CAT, [])
        self._upload(material.MANUAL, [self._file(material.README)], labels='{"kind": "manual"}')
        again = self.ada.upload(self._file(material.CAT))
        self._check(
            again["unchanged"] and again["version_id"] == self.assets["Chelsea.png"]["version_id"], "no version without a change"
        )
        self._said("Chelsea.png once more: unchanged, and no new version")

    def versions(self) -> None:
        self._chapter("Versions: the same name, other bytes")
        first = self._upload(material.LEFT, [])
        second = self._upload(material.RIGHT, [])
        self._check(first["asset_path"] == second["asset_path"] and first["version_id"] != second["version_id"], "two versions")
        second = self.ada.add(second, self._file(material.CREDITS))
        self._keep(second, [self._file(material.RIGHT), self._file(material.CREDITS)])
        found = self.ada.items("/assets", prefix=second["asset_path"], versions="all")
        self._check(
            [item["version_id"] for item in found] == [first["version_id"], second["version_id"]], "both versions, in order"
        )
        self._check([len(item["associated_filenames"]) for item in found] == [0, 1], "the added file is the newer version's alone")
        self._said(f"{second['asset_path']} has 2 versions; a file was added to the newer one")

    def downloads(self) -> None:
        self._chapter("Downloads: every file of every version, its hash compared with the file on disk")
        stored = {asset["version_id"]: asset for asset in self.ada.items("/assets", versions="all")}
        for (version_id, name), expected in self.hashes.items():
            asset = stored[version_id]
            file = None if name == asset["primary_filename"] else name
            self._check(self.ada.download(asset, file) == expected, f"{name} comes back as it went")
        self._said(f"{len(self.hashes)} files, all equal")
        rocket = self.assets["rocket.jpg"]
        links = self.ada.call("GET", f"/filedownload/{rocket['asset_path']}/{rocket['version_id']}")
        with Api(self.server.url) as nobody:
            linked = read(nobody, links["primary_file"]["url"], {})
        self._check(linked == sha256_of(self._file(material.ROCKET)), "the link gives the file")
        self._said("a signed link to rocket.jpg, followed without a token: equal")

    def lists(self) -> None:
        self._chapter("The workspace")
        rows = self.ada.items("/assets")
        self._table(rows, ("asset_path", "size", "content_type", "status", "archive_date", "destroy_date", "labels"))
        photos = self.ada.items("/assets", label="kind=photo")
        self._check(len(rows) == 6 and len(photos) == 2, "six assets, two of them labelled as photos")

    def sharing(self) -> None:
        self._chapter("Sharing")
        bob, rocket = Person(self.server.url, "bob"), self.assets["rocket.jpg"]
        grant = {"username": bob.username, "password": bob.password, "permissions": ["list", "download"]}
        self.ada.call("POST", "/shared-users", json=grant)
        bob.log_in()
        self._check(len(bob.items("/assets")) == 6, "bob sees the six assets")
        self._check(bob.download(rocket) == self.hashes[rocket["version_id"], "rocket.jpg"], "bob may download")
        self._said("bob may list and download, and does")
        self._said(f"bob uploads: 403, {bob.refused(403, 'upload', self._file(material.CAT))}")
        self._said(f"bob archives: 403, {bob.refused(403, 'change', 'filearchive', rocket)}")
        self.ada.call("PUT", "/shared-users", json={"username": bob.username, "permissions": ["list"]})
        self._said(f"his right to download is taken away; with the same token: 403, {bob.refused(403, 'download', rocket)}")
        self._check(len(bob.items("/assets")) == 6, "what was left to bob is still his")
        carol = Person(self.server.url, "carol")
        carol.register()
        carol.log_in()
        hers = carol.upload(self._file(material.RETINA))
        self._check(len(carol.items("/assets")) == 1 and hers["branch"] == "carol_space", "carol sees her own workspace only")
        self._said(f"carol has a workspace of her own; for ada's rocket.jpg she gets 404, {carol.refused(404, 'download', rocket)}")

    def lifecycle(self) -> None:
        self._chapter("Archive, restore, destroy")
        hubble = self.assets["hubble deep field.jpg"]
        expected = self.hashes[hubble["version_id"], "hubble deep field.jpg"]
        self._said(f"destroying what is active: 409, {self.ada.refused(409, 'change', 'delfile', hubble)}")
        self._becomes(self.ada.change("filearchive", hubble), "archived")
        self._check(len(self.ada.items("/assets")) == 5, "an archived version is not in the list")
        self._check(self.ada.download(hubble) == expected, "an archived version can be read")
        self._said("archived: out of the list, still readable")
        self._becomes(self.ada.change("filerestore", hubble), "active")
        self._said("restored: active again")
        self.ada.change("filearchive", hubble)
        condemned = self._becomes(self.ada.change("delfile", hubble), "destroyed")
        self._check(condemned["phase"] == "condemned" and condemned["purge_after"], "a destroyed version is condemned first")
        self._said(f"archived and destroyed: condemned, its bytes stay until {cell('purge_after', condemned['purge_after'])}")
        self._said(f"reading it: 410, {self.ada.refused(410, 'download', hubble)}")
        self._becomes(self.ada.change("filerestore", hubble), "archived")
        self._check(self.ada.download(hubble) == expected, "a version that was restored is whole")
        self._said("restored once more: archived, and its bytes are the same")

    def verify(self) -> None:
        self._chapter("Verify: registry, versions and bytes agree")
        ended = self.server.operate("verify", "--deep")
        self._check(ended.returncode == 0, (ended.stdout + ended.stderr).strip() or "verify finds nothing")
        self._said("holdfast verify --deep: every hash computed anew, nothing disagrees")

    def trail(self) -> None:
        self._chapter("The audit trail, oldest first")
        rows = self.ada.items("/audit")
        done = {row["operation"] for row in rows}
        self._check({"upload", "archive", "restore", "destroy"} <= done, "the trail has every act")
        self._table(reversed(rows), ("at", "username", "operation", "asset_path", "success"))

    # -- what they share -----------------------------------------------------------------------------------------------

    def _file(self, source: material.Source) -> Path:
        return material.copy(source, self.folder / source.ending.replace("/", "-"))

    def _upload(self, source: material.Source, associated: list[Path], **fields: str) -> dict[str, Any]:
        file = self._file(source)
        asset = self.ada.upload(file, associated, **fields)
        self._check(asset["status"] == "active" and not asset["unchanged"], f"{file.name} makes an active version")
        self._check(asset["sha256"] == sha256_of(file), f"the server read {file.name} as it is")
        self._keep(asset, [file, *associated])
        also = f" with {', '.join(extra.name for extra in associated)}" if associated else ""
        self._said(f"{file.name}{also} ({size(file.stat().st_size)}) is {asset['asset_path']}, version {asset['version_id'][:12]}")
        return asset

    def _keep(self, asset: dict[str, Any], files: Iterable[Path]) -> None:
        self.assets[asset["primary_filename"]] = asset
        for file in files:
            self.hashes[asset["version_id"], file.name] = sha256_of(file)

    def _becomes(self, asset: dict[str, Any], status: str) -> dict[str, Any]:
        self._check(asset["status"] == status, f"{asset['asset_path']} is {status}")
        return asset

    def _check(self, holds: object, what: str) -> None:
        if not holds:
            raise Failure(f"The demo went wrong. Expected: {what}.")

    def _chapter(self, title: str) -> None:
        self.console.print(f"\n[bold]{title}[/]")

    def _said(self, text: str) -> None:
        self.console.print(f"  {printable(text)}", markup=False, soft_wrap=True)

    def _table(self, rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 0, 0, 2), header_style="dim")
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell(column, row.get(column))) for column in columns))
        self.console.print(table)
