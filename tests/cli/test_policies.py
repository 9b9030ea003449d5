"""Policies without a cluster, as their operator runs them: apply, preview, a tripped guard, approval, a run, and taking it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import insert, update

from holdfast.cli.failures import UNAVAILABLE
from holdfast.clock import system
from holdfast.database.engine import Database
from holdfast.database.tables import runs
from holdfast.lifecycle.lease import Held, of_sweep
from holdfast.policies.words import Action
from tests.cli.conftest import Served
from tests.cli.program import Program
from tests.waiting import until


@pytest.fixture
def operator(ada: Program, served: Served, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Ada, who has the installation's folder at hand, too."""
    return Program(ada.home, ada.cwd, {**ada.environment, "HOLDFAST_DATA": str(served.data)})


@pytest.fixture
def policy(operator: Program) -> Callable[..., Path]:
    """Writes a policy about ada's workspace alone into a file."""
    username = operator.json("whoami")["username"]

    def write(**spec: Any) -> Path:
        whole = {
            "apiVersion": "holdfast.dev/v1alpha1",
            "kind": "AssetPolicy",
            "metadata": {"name": username, "namespace": "media"},
            "spec": {"workspaces": {"names": [f"{username}_space"]}, "archive": {"afterDays": 0}, **spec},
        }
        path = operator.cwd / "policy.yaml"
        path.write_text(yaml.safe_dump(whole))
        return path

    return write


def name_of(file: Path) -> str:
    found: str = yaml.safe_load(file.read_text())["metadata"]["name"]
    return f"media/{found}"


def uploaded(program: Program, *names: str) -> None:
    for name in names:
        (program.cwd / name).write_text(name)
    program("upload", *names)


def listed(program: Program, status: str) -> list[str]:
    return [item["asset_path"] for item in program.json("ls", "--status", status)]


def previewed(operator: Program, name: str) -> dict[str, Any]:
    """How the policy is listed, once the server has counted what it is about: it does so by itself."""
    row: dict[str, Any]
    [row] = operator.json("policy", "get", name)
    assert row["matched"] is not None
    return row


def test_a_policy_from_preview_to_undo(operator: Program, policy: Callable[..., Path]) -> None:
    uploaded(operator, "a.txt", "b.txt", "c.txt")
    file = policy(guard={"maxItems": 2})
    name = name_of(file)
    [shown] = operator.json("policy", "preview", "-f", file)
    assert (shown["due"]["items"], shown["guard"]["limit"]) == (3, "maxItems")
    assert "configured" in operator("policy", "apply", "-f", file).stderr
    assert "unchanged" in operator("policy", "apply", "-f", file).stderr
    row = until(lambda: previewed(operator, name))
    assert (row["namespace"], row["mode"], row["ready"]) == ("media", "Preview", "True")
    assert operator.json("policy", "get", "-f", file) == [row]
    assert operator.json("policy", "describe", "-f", file) == operator.json("policy", "describe", name)
    assert "Name a policy, or a file" in operator("policy", "describe", name, "-f", file, code=2).stderr
    assert "Name a policy, or a file" in operator("policy", "get", name, "-f", file, code=2).stderr

    ended = operator("sweep", "--policy", name, "--action", "archive", "-o", "json")
    assert "3 versions would be archived. Nothing was done." in ended.stderr
    said = json.loads(ended.stdout)
    assert (said["state"], said["plan"]["reasons"], said["plan"]["excluded"]) == ("preview", {name: 3}, {})
    assert [one["asset_path"] for one in said["plan"]["sample"]] == ["text/txt/a", "text/txt/b", "text/txt/c"]
    assert said["plan"]["guard"]["limit"] == "maxItems"
    operator("policy", "apply", "-f", policy(guard={"maxItems": 2}, mode="Enforce"))
    ended = operator("sweep", "--policy", name, "--action", "archive", "-o", "json", code=5)
    stopped = json.loads(ended.stdout)
    assert (stopped["state"], stopped["planned"]["items"]) == ("guarded", 3)
    assert listed(operator, "archived") == []
    whole = operator.json("policy", "describe", name)
    assert [one["digest"] for one in whole["status"]["waiting"]] == [stopped["digest"]]
    wrong = "0" * 64
    assert f"has the digest {wrong}" in operator("policy", "approve", name, stopped["digest"], wrong, code=4).stderr
    assert operator.json("policy", "describe", name)["metadata"] == whole["metadata"], "neither is approved"

    ended = operator("sweep", "--policy", name, "--action", "archive", "--approve", stopped["digest"], "-o", "json")
    assert json.loads(ended.stdout)["archived"] == 3
    assert listed(operator, "archived") == ["text/txt/a", "text/txt/b", "text/txt/c"]
    done = operator.json("runs", "--policy", name)
    assert [(run["state"], run["done"]["items"]) for run in done][:1] == [("done", 3)]
    assert len(operator.json("runs", "--run", str(done[0]["id"]))) == 3
    back = operator.json("restore", "--run", str(done[0]["id"]))
    assert back["undone"] == 3
    assert listed(operator, "archived") == []

    operator("policy", "delete", name)
    assert operator.json("policy", "get") == [] or name not in json.dumps(operator.json("policy", "get"))
    assert listed(operator, "active") == ["text/txt/a", "text/txt/b", "text/txt/c"], "a policy's end touches no asset"


def test_an_approval_stays_until_its_plan_is_carried_out(holdfast: Program) -> None:
    """Another one beside it, or applying the policy once more, takes it back as little as in a cluster."""
    spec = {"workspaces": {"all": True}, "archive": {"afterDays": 0}, "destroy": {"afterDays": 0}, "mode": "Enforce"}
    file = holdfast.cwd / "policy.yaml"
    whole = {"apiVersion": "holdfast.dev/v1alpha1", "kind": "AssetPolicy", "metadata": {"name": "one"}, "spec": spec}
    file.write_text(yaml.safe_dump(whole))
    holdfast("policy", "apply", "-f", file)
    database, now = Database(f"sqlite:///{holdfast.cwd / 'data' / 'holdfast.db'}"), system()
    stopped = {"policy": "default/one", "generation": 1, "trigger": "manual", "state": "guarded", "as_of": now, "skipped": {}}
    plan = {"basis": "", "due": {"items": 9}, "matched": {"items": 9}}
    rows = [{**stopped, "action": action, "digest": action * 8, "plan": plan, "started_at": now} for action in Action]
    database.write(lambda connection: connection.execute(insert(runs), rows))

    def approved() -> str:
        found: str = holdfast.json("policy", "describe", "one")["metadata"]["annotations"]["holdfast.dev/approve-plan"]
        return found

    archive, destroy = ("archive" * 8, "destroy" * 8)
    holdfast("policy", "approve", "one", archive)
    holdfast("policy", "approve", "one", destroy)
    assert approved() == f"{archive},{destroy}"
    assert "unchanged" in holdfast("policy", "apply", "-f", file).stderr
    assert approved() == f"{archive},{destroy}"
    database.write(lambda connection: connection.execute(update(runs).where(runs.c.digest == archive).values(state="approved")))
    holdfast("policy", "approve", "one", destroy)
    assert approved() == destroy
    database.close()


def test_a_policy_that_is_refused_does_not_look_fine(operator: Program, policy: Callable[..., Path]) -> None:
    file = policy(mode="Enforce")
    operator("policy", "apply", "-f", file)
    strict = Program(operator.home, operator.cwd, {**operator.environment, "HOLDFAST_POLICY_MIN_AFTER_DAYS": "5"})
    [row] = strict.json("policy", "get", "-f", file)
    assert (row["ready"], row["next_run"]) == ("False", None)
    assert " ready " in strict("policy", "get", "-o", "table").stdout.splitlines()[0]
    operator("policy", "delete", "-f", file)


def test_a_policy_that_was_put_there_by_hand_is_deleted_like_any_other(
    operator: Program, policy: Callable[..., Path], served: Served
) -> None:
    file = policy()
    name = name_of(file)
    operator("policy", "apply", "-f", file)
    by_hand = served.data / "policies" / "by hand.yaml"
    try:
        by_hand.write_bytes(file.read_bytes())
        shown = operator("policy", "get", "-f", file, "-o", "json")
        assert "so no policy is run" in shown.stderr
        assert [row["ready"] for row in json.loads(shown.stdout)] == ["False"]
        assert "so no policy is run" not in operator("policy", "apply", "-f", file).stderr, (
            "what is applied takes the place of both"
        )
        by_hand.write_text("no policy")
        assert "by hand.yaml is no AssetPolicy" in operator("policy", "apply", "-f", file).stderr
        by_hand.write_bytes(file.read_bytes())
        operator("policy", "delete", name)
        operator("policy", "get", name, code=4)
    finally:
        by_hand.unlink(missing_ok=True)


def test_a_run_is_bound_to_the_plan_that_was_shown(operator: Program, policy: Callable[..., Path]) -> None:
    uploaded(operator, "a.txt")
    file = policy(mode="Enforce")
    [shown] = operator.json("policy", "preview", "-f", file)
    operator("policy", "apply", "-f", file)
    bound = ("sweep", "--policy", name_of(file), "--action", "archive", "--as-of", shown["as_of"])
    ended = operator(*bound, "--plan", "0" * 64, code=5)
    assert "another one by now" in ended.stderr
    to_come = ("sweep", "--policy", name_of(file), "--action", "archive", "--as-of", "2999-01-01")
    assert "previewed only" in operator(*to_come, code=1).stderr
    assert "1 versions would be archived" in operator(*to_come, "--preview").stderr
    assert listed(operator, "archived") == []
    operator(*bound, "--plan", shown["digest"])
    assert listed(operator, "archived") == ["text/txt/a"]
    operator("policy", "delete", "-f", file)


def test_while_another_run_has_the_lease_it_ends_with_6_and_is_tried_again(
    operator: Program, policy: Callable[..., Path], served: Served
) -> None:
    uploaded(operator, "a.txt")
    file = policy(mode="Enforce")
    operator("policy", "apply", "-f", file)
    sweep = ("sweep", "--policy", name_of(file), "--action", "archive")
    database = Database(f"sqlite:///{served.data / 'holdfast.db'}")
    with Held(database, of_sweep(name_of(file), "archive")):
        assert "Another run of this policy is under way" in operator(*sweep, code=UNAVAILABLE).stderr
        assert listed(operator, "archived") == []
    database.close()
    operator(*sweep)
    assert listed(operator, "archived") == ["text/txt/a"]
    operator("policy", "delete", "-f", file)


def test_what_is_no_policy_is_refused_and_changes_nothing(operator: Program, policy: Callable[..., Path]) -> None:
    file = policy(archive={"afterDays": -1})
    assert "spec.archive.afterDays" in operator("policy", "apply", "-f", file, code=1).stderr
    assert "no cron expression" in operator("policy", "apply", "-f", policy(schedule="now and then"), code=2).stderr
    assert "IANA" in operator("policy", "apply", "-f", policy(timeZone="Nowhere"), code=2).stderr
    assert "would not be accepted" in operator("policy", "preview", "-f", policy(timeZone="Nowhere")).stderr
    file.write_bytes(b"\xff\xfe\x00binary")
    assert "no YAML" in operator("policy", "apply", "-f", file, code=1).stderr
    one = policy().read_text()
    assert "is in it 2 times" in operator("policy", "apply", "-f", "-", says=f"{one}---\n{one}", code=2).stderr
    file.write_text("")
    assert "no policy in it" in operator("policy", "apply", "-f", file, code=2).stderr
    operator("policy", "apply", "-f", operator.cwd / "missing.yaml", code=1)
    assert "There is no policy" in operator("policy", "describe", "media/none", code=4).stderr
    assert "There is no policy" in operator("policy", "get", "-f", policy(), code=4).stderr
    operator("sweep", "--policy", "media/none", "--action", "archive", code=4)
    for name in ("", "a/b/c", "no name", "x" * 300):
        assert "NAME or NAMESPACE/NAME" in operator("sweep", "--policy", name, "--action", "archive", code=2).stderr
        assert "NAME or NAMESPACE/NAME" in operator("policy", "describe", name, code=2).stderr
    nowhere = policy(workspaces={"names": ["nobodys_space"]})
    assert "there is no workspace nobodys_space" in operator("policy", "preview", "-f", nowhere).stderr
    assert "there is no workspace" not in operator("policy", "preview", "-f", policy()).stderr
    operator("policy", "delete", code=2)
    operator("restore", code=2)
