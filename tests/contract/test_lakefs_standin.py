"""Holds the stand-in for lakeFS against a real one: the same calls, one after the other, get the same answers.

Compared are the status and what Holdfast reads of the answer. Commits are called by the order in which they were made, since their
ids differ; of messages only the words count on which the adapter decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.servers.lakefs import LakeFS
from tests.standin.lakefs import Standin

from holdfast.storage.versions.lakefs_api import PAGE

WORDS = ("no changes", "not found", "repository", "physical address", "maximum length", "not unique", "empty value")

Picked = Any


@dataclass(frozen=True)
class Step:
    name: str
    method: str
    url: str
    """`{1}` is the id of the first commit that was made (0: the repository's own first)."""
    query: dict[str, Any] | None = None
    body: Any = None
    pick: Callable[[Any], Picked] = lambda answer: None
    makes_commit: bool = False


def stage(
    name: str, path: str, upload: str = "u1", *, address: str = "s3://elsewhere/data/1", branch: str = "ada", **more: Any
) -> Step:
    body = {
        "physical_address": address,
        "checksum": "c" * 64,
        "size_bytes": 7,
        "content_type": "image/jpeg",
        "metadata": {"upload_id": upload},
    }
    return Step(f"stage {name}", "PUT", f"/branches/{branch}/objects", {"path": path}, body | more)


def delete(name: str, *paths: str, branch: str = "ada") -> Step:
    def errors(answer: Any) -> Picked:
        return sorted((error["path"], error["status_code"], words(error["message"])) for error in answer["errors"])

    return Step(f"delete {name}", "POST", f"/branches/{branch}/objects/delete", None, {"paths": paths}, errors)


def commit(name: str, branch: str = "ada", *, makes: bool = True) -> Step:
    body = {"message": name, "metadata": {"operation": name}}
    return Step(f"commit {name}", "POST", f"/branches/{branch}/commits", None, body, one_commit, makes)


def stat(name: str, ref: str, path: str) -> Step:
    fields = ("path", "physical_address", "checksum", "size_bytes", "content_type", "metadata")
    return Step(f"stat {name}", "GET", f"/refs/{ref}/objects/stat", {"path": path}, None, lambda got: {f: got[f] for f in fields})


def log(name: str, ref: str, **query: Any) -> Step:
    return Step(f"log {name}", "GET", f"/refs/{ref}/commits", query, None, lambda got: [one_commit(c) for c in got["results"]])


def diff(name: str, left: str, right: str, **query: Any) -> Step:
    def pick(answer: Any) -> Picked:
        results = []
        for found in answer["results"]:
            now = None if found["type"] == "removed" else {f: found["right"][f] for f in ("checksum", "content_type", "metadata")}
            results.append((found["path"], found["type"], found["size_bytes"], now))
        return results, answer["pagination"]["has_more"], answer["pagination"]["next_offset"]

    query = {"type": "two_dot", "include_right_stats": "true"} | query
    return Step(f"diff {name}", "GET", f"/refs/{left}/diff/{right}", query, None, pick)


def one_commit(answer: Any) -> Picked:
    return answer["id"], answer["parents"], answer["metadata"], answer["message"]


def head(name: str, branch: str) -> Step:
    return Step(f"head {name}", "GET", f"/branches/{branch}", pick=lambda answer: answer["commit_id"])


def words(message: str) -> list[str]:
    return [word for word in WORDS if word in message]


TABLE = [
    Step("repository", "GET", "", pick=lambda answer: answer["default_branch"]),
    Step("branch", "POST", "/branches", None, {"name": "ada", "source": "{0}"}, lambda answer: answer),
    Step("branch that is there", "POST", "/branches", None, {"name": "ada", "source": "{0}"}),
    Step("branch from nothing", "POST", "/branches", None, {"name": "eve", "source": "0" * 64}),
    Step("branch beside it", "POST", "/branches", None, {"name": "bob", "source": "{0}"}, lambda answer: answer),
    head("of a new branch", "ada"),
    head("of no branch", "nobody"),
    commit("of nothing", makes=False),
    stage("first", "a/1"),
    stage("second", "a/2", "u2"),
    stage("unicode", "é/ü ñ,;&?#%20+"),
    stage("deep", "a/1/b"),
    stage("longest", "x" * 1024),
    stage("too long", "x" * 1025),
    stage("too long in bytes", "é" * 513),
    stage("empty path", ""),
    stage("an address of another kind", "q", address="mem://elsewhere/1"),
    stage("on no branch", "q", branch="nobody"),
    stage("without a checksum", "q", checksum=None),
    stage("with a checksum that is none", "r", checksum="unhashed-1"),
    stat("staged, on its branch", "ada", "a/1"),
    stat("staged, in the commit", "{0}", "a/1"),
    commit("first"),
    head("after a commit", "ada"),
    stat("in the commit", "{1}", "a/1"),
    stat("unicode", "{1}", "é/ü ñ,;&?#%20+"),
    stat("longest", "{1}", "x" * 1024),
    stat("a folder", "{1}", "a"),
    stat("nothing", "{1}", "none"),
    stat("too long", "{1}", "x" * 1025),
    stat("in no commit", "0" * 64, "a/1"),
    diff("first", "{0}", "{1}"),
    diff("first page", "{0}", "{1}", amount=2),
    diff("second page", "{0}", "{1}", amount=2, after="a/1/b"),
    diff("with itself", "{1}", "{1}"),
    diff("with nothing", "{1}", "0" * 64),
    commit("nothing new", makes=False),
    stage("equal, at another address", "a/1", address="s3://elsewhere/data/other"),
    stat("equal, staged", "ada", "a/1"),
    commit("of what is equal", makes=False),
    stage("something beside it", "a/3"),
    commit("second"),
    stat("the first address is kept", "{2}", "a/1"),
    diff("what is equal is no change", "{1}", "{2}"),
    stage("equal but for its upload", "a/1", "u9", address="s3://elsewhere/data/9"),
    stage("equal but for its type", "a/2", "u2", content_type="image/png"),
    stage("equal but for its size", "a/3", size_bytes=8),
    stage("equal but for its checksum", "a/1/b", checksum="d" * 64),
    commit("third"),
    diff("each of these is a change", "{2}", "{3}"),
    stat("the new address", "{3}", "a/1"),
    stat("the old commit has the old", "{2}", "a/1"),
    delete("what is there and what is not", "a/1", "never", "a"),
    stage("and put again", "a/2", "u2"),
    delete("staged only", "staged-only"),
    stage("late, by another", "late"),
    commit("fourth, with all of it"),
    diff("removed, changed, and the late one", "{3}", "{4}"),
    stat("removed", "{4}", "a/1"),
    stat("removed later", "{3}", "a/1"),
    delete("what is removed already", "a/1"),
    commit("of a removal twice", makes=False),
    stage("to be taken back", "fleeting"),
    delete("what is only staged", "fleeting"),
    commit("of what was taken back", makes=False),
    delete("with a path that is too long", "a/2", "x" * 1025),
    delete("too many", *[f"many/{number}" for number in range(PAGE + 1)]),
    delete("on no branch", "a/2", branch="nobody"),
    commit("on no branch", "nobody", makes=False),
    commit("on a branch where nothing is staged", "bob", makes=False),
    stat("the other branch has none of it", "bob", "a/2"),
    stage("on the other branch", "a/1", "b1", branch="bob"),
    commit("on the other branch", "bob"),
    log("all", "ada", amount=100, limit="true"),
    log("newest", "ada", amount=1, limit="true"),
    log("from a commit back", "{2}", amount=100, limit="true"),
    log("below a commit", "ada", amount=1, limit="true", after="{3}"),
    log("of a path", "ada", amount=100, limit="true", objects="a/1"),
    log("of a path, newest", "{3}", amount=1, limit="true", objects="a/2"),
    log("of a path that is unicode", "ada", amount=1, limit="true", objects="é/ü ñ,;&?#%20+"),
    log("of a path that never was", "ada", amount=1, limit="true", objects="never"),
    log("of the other branch", "bob", amount=100, limit="true"),
    log("of nothing", "nobody", amount=100, limit="true"),
]  # fmt: skip


def transcript(server: LakeFS | Standin) -> dict[str, tuple[int, Picked]]:
    """What the table's calls are answered, by step, commits being called by their numbers."""
    repository = server.repository()
    commits = [server.client.get(f"/repositories/{repository}/branches/main").json()["commit_id"]]
    answers: dict[str, tuple[int, Picked]] = {}
    for step in TABLE:
        named = {f"{{{number}}}": commit_id for number, commit_id in enumerate(commits)}
        method, url, query, body = json.loads(replaced(json.dumps([step.method, step.url, step.query, step.body]), named))
        got = server.client.request(method, f"/repositories/{repository}{url}", params=query, json=body)
        answer: Any = got.json() if got.headers["Content-Type"].startswith("application/json") else got.text
        if step.makes_commit:
            commits.append(answer["id"])
        picked = step.pick(answer) if got.is_success else words(answer["message"])
        numbers = {commit_id: f"commit {number}" for number, commit_id in enumerate(commits)}
        answers[step.name] = got.status_code, json.loads(replaced(json.dumps(picked), numbers))
    return answers


def replaced(text: str, by: dict[str, str]) -> str:
    for old, new in by.items():
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def real(lakefs: LakeFS) -> dict[str, tuple[int, Picked]]:
    return transcript(lakefs)


@pytest.fixture(scope="module")
def ours() -> dict[str, tuple[int, Picked]]:
    server = Standin.start()
    try:
        return transcript(server)
    finally:
        server.stop()


def test_the_steps_have_different_names() -> None:
    assert len({step.name for step in TABLE}) == len(TABLE)


@pytest.mark.parametrize("step", [step.name for step in TABLE])
def test_the_standin_answers_as_lakefs_does(step: str, ours: dict[str, Any], real: dict[str, Any]) -> None:
    assert ours[step] == real[step]


def test_the_standin_lets_in_whom_lakefs_lets_in(lakefs: LakeFS) -> None:
    standin = Standin.start()
    try:
        for server in (lakefs, standin):
            url = f"/repositories/{server.repository()}"
            client = server.client
            assert client.get(url).status_code == 200
            assert client.get("/repositories/nowhere").status_code == 404
            assert "repository" in client.get("/repositories/nowhere/refs/main/objects/stat?path=a").json()["message"]
            assert client.get(url, auth=(server.access_key, "wrong")).status_code == 401
            assert client.get("/healthcheck").status_code == 204
    finally:
        standin.stop()
