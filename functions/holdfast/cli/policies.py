"""``policy``: AssetPolicies of the embedded default, as ``kubectl`` has them in a cluster."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.failures import NOT_FOUND, USAGE, Failure
from holdfast.cli.installation import Data, installation
from holdfast.cli.listing import moment
from holdfast.cli.output import Format, Output, answer, listing, note

if TYPE_CHECKING:
    from holdfast.policies.folder import Folder
    from holdfast.policies.model import AssetPolicy
    from holdfast.services import Services

app = typer.Typer(help="AssetPolicies of this installation.", no_args_is_help=True)

COLUMNS = ("namespace", "name", "ready", "mode", "matched", "last_run", "next_run")

File = Annotated[Path, typer.Option("--file", "-f", help="YAML of one policy or several; `-` for standard input.")]
Those = Annotated[Path | None, typer.Option("--file", "-f", help="Those of a YAML file; `-` for standard input.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="NAME or NAMESPACE/NAME.")]
MaybeName = Annotated[str | None, typer.Argument(metavar="NAME", help="NAME or NAMESPACE/NAME.")]


@app.command()
def apply(file: File, data: Data = None) -> None:
    """Make these policies the installation's, or change them."""
    from holdfast.policies import folder
    from holdfast.policies.model import APPROVE_PLAN

    with installation(data) as services:
        wanted, known = _read(file), folder.read(services.settings.policies_folder)
        for policy in wanted:
            if (said := _refused(services, policy)) is not None:
                raise Failure(said, USAGE)
        _note_missing(services, wanted)
        for policy in wanted:
            before = known.policies.get(policy.key, policy).metadata.annotations
            kept = {name: before[name] for name in before if name == APPROVE_PLAN}  # which the file does not say
            stays = _annotated(policy, kept | policy.metadata.annotations)
            changed = folder.put(services.settings.policies_folder, stays, known)
            note(f"assetpolicy {policy.key} {'configured' if changed else 'unchanged'}")
        _known(services)  # which says what keeps them from being run


@app.command("get")
def get(name: MaybeName = None, file: Those = None, data: Data = None, output: Output = Format.table) -> None:
    """List the policies, or only that one or those, with what they match and when they run."""
    from holdfast.lifecycle.standing import standing

    with installation(data) as services:
        known = _known(services)
        chosen = known.policies.values() if name is None and file is None else _chosen(known, name, file)
        listing((standing(services, policy, known.wrong).row() for policy in chosen), COLUMNS, output)


@app.command()
def describe(name: MaybeName = None, file: Those = None, data: Data = None, output: Output = Format.yaml) -> None:
    """Show a policy with its status: what it matches, what its last runs did, and what waits for approval.

    Several of a file come as a list."""
    from holdfast.lifecycle.standing import standing
    from holdfast.policies.model import dump

    with installation(data) as services:
        known = _known(services)
        chosen = _chosen(known, name, file)
        whole = [{**dump(policy), "status": standing(services, policy, known.wrong).status()} for policy in chosen]
        if len(whole) == 1:
            answer(whole[0], output)
        else:
            listing(whole, ("metadata", "spec", "status"), output)


@app.command()
def preview(
    file: File,
    as_of: Annotated[str | None, typer.Option(metavar="DATE", help="As if it were then.")] = None,
    data: Data = None,
    output: Output = Format.table,
) -> None:
    """Show what policies would do, without doing it: how many, why, what is left alone, and the plan's digest."""
    from holdfast.lifecycle.looking import planned
    from holdfast.lifecycle.planning import tripped
    from holdfast.lifecycle.sweeping import rivals_of
    from holdfast.policies import folder
    from holdfast.policies.due import Rule
    from holdfast.policies.words import Action

    with installation(data) as services:
        known = folder.read(services.settings.policies_folder)
        known.check()
        at = moment(as_of)
        instant = services.clock() if at is None else datetime.fromisoformat(at)

        wanted = _read(file)
        for policy in wanted:
            if (said := _refused(services, policy)) is not None:
                note(f"holdfast: it would not be accepted: {said}")
        _note_missing(services, wanted)

        def plans() -> Iterator[dict[str, Any]]:
            for policy in wanted:
                rule = Rule(policy)
                for action in Action:
                    if rule.acts(action):
                        made = planned(services, rule, rivals_of(known, policy.key), action, instant)
                        yield {**made.summary(), "guard": tripped(policy.spec.guard, made)}

        listing(plans(), ("policy", "action", "matched", "due", "reasons", "excluded", "conflicts", "guard", "digest"), output)


@app.command()
def approve(
    name: Name, digest: Annotated[list[str], typer.Argument(help="Digests of plans that the guard stopped.")], data: Data = None
) -> None:
    """Let a plan go on that the guard stopped, once, if it is still the same."""
    from holdfast.lifecycle.runs import waits
    from holdfast.lifecycle.sweeping import annotated
    from holdfast.policies import folder
    from holdfast.policies.model import APPROVE_PLAN

    with installation(data) as services:
        known = _known(services)
        policy = _find(known, name)
        with services.database.read() as connection:
            waiting = [one for one in [*annotated(policy), *digest] if waits(connection, policy.key, one)]
        for one in digest:
            if one not in waiting:
                raise Failure(f"No plan of {policy.key} that the guard stopped has the digest {one}.", NOT_FOUND)
        annotations = {**policy.metadata.annotations, APPROVE_PLAN: ",".join(dict.fromkeys(waiting))}
        folder.put(services.settings.policies_folder, _annotated(policy, annotations), known)
        note(f"assetpolicy {policy.key} approved")


@app.command()
def delete(name: MaybeName = None, file: Those = None, data: Data = None) -> None:
    """Remove policies. No asset is touched by that."""
    from holdfast.policies import folder

    _check_one_of(name, file)
    with installation(data) as services:
        known = _known(services)
        doomed = [_find(known, name)] if name is not None else [p for p in _read(file or Path()) if p.key in known.policies]
        for policy in doomed:
            folder.remove(services.settings.policies_folder, policy, known)
            note(f"assetpolicy {policy.key} deleted")


def qualified(name: str) -> str:
    """``namespace/name``, in the namespace `default` unless it says otherwise. Raises Failure when it is no name."""
    whole = name if "/" in name else f"default/{name}"
    if not re.fullmatch(r"[^/\s]{1,63}/[^/\s]{1,253}", whole):
        raise Failure(f"A policy is named NAME or NAMESPACE/NAME, not {name!r}.", USAGE)
    return whole


def _read(file: Path) -> list[AssetPolicy]:
    from holdfast.policies import folder

    text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    found = folder.parse_all(text)
    if not found:
        raise Failure("There is no policy in it.", USAGE)
    for key, times in Counter(policy.key for policy in found).items():
        if times > 1:
            raise Failure(f"{key} is in it {times} times.", USAGE)
    return found


def _note_missing(services: Services, policies: list[AssetPolicy]) -> None:
    """A workspace may still be made, but mostly its name is mistyped, and the policy then matches nothing."""
    from holdfast.lifecycle.looking import missing

    for name in missing(services, policies):
        note(f"holdfast: there is no workspace {name}")


def _known(services: Services) -> Folder:
    from holdfast.policies import folder

    known = folder.read(services.settings.policies_folder)
    for name, message in known.wrong.items():
        note(f"holdfast: {name} is no AssetPolicy that can be read, so no policy is run: {message}")
    return known


def _check_one_of(name: str | None, file: Path | None) -> None:
    if (name is None) == (file is None):
        raise Failure("Name a policy, or a file with --file.", USAGE)


def _chosen(known: Folder, name: str | None, file: Path | None) -> list[AssetPolicy]:
    """The installation's policy of that name, or those that the file names, as the installation has them."""
    _check_one_of(name, file)
    keys = [name] if name is not None else [policy.key for policy in _read(file or Path())]
    return [_find(known, key) for key in keys]


def _find(known: Folder, name: str) -> AssetPolicy:
    policy = known.policies.get(qualified(name))
    if policy is None:
        raise Failure(f"There is no policy {qualified(name)}.", NOT_FOUND)
    return policy


def _annotated(policy: AssetPolicy, annotations: dict[str, str]) -> AssetPolicy:
    return policy.model_copy(update={"metadata": policy.metadata.model_copy(update={"annotations": annotations})})


def _refused(services: Services, policy: AssetPolicy) -> str | None:
    """Why the installation does not take it, although it is a policy."""
    from holdfast.lifecycle.sweeping import below_floors
    from holdfast.policies.schedule import BadSchedule, resolve
    from holdfast.policies.words import Action

    try:
        for action in Action:
            resolve(policy.key, policy.spec.schedule, policy.spec.time_zone, action)
    except BadSchedule as error:
        return f"{policy.key}: {error}."
    below = below_floors(services, policy)
    return None if below is None else f"{policy.key}: {below}."
