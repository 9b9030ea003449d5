"""``sweep``: one run of a policy's action, to its end. What a CronJob of the cluster runs."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.failures import CONFLICT, UNAVAILABLE, Failure
from holdfast.cli.installation import Data, installation
from holdfast.cli.listing import moment
from holdfast.cli.output import Format, Output, answer, note
from holdfast.cli.progress import Meter, Unit
from holdfast.errors import Problem
from holdfast.policies.words import Action

if TYPE_CHECKING:
    from holdfast.lifecycle.sweeping import Outcome
    from holdfast.policies.report import Report
    from holdfast.services import Services

app = typer.Typer()

_CODES = {"guarded": CONFLICT, "changed": CONFLICT, "stopped": UNAVAILABLE}
"""How a run ends that did not do all: again would change nothing before somebody approves; again goes on."""


@app.command()
def sweep(
    *,
    policy: Annotated[str, typer.Option(help="Which policy: NAME or NAMESPACE/NAME.")],
    action: Annotated[Action, typer.Option(help="Which of its actions.")],
    preview: Annotated[bool, typer.Option("--preview", help="Only plan, whatever the policy's mode.")] = False,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="Plan for this instant, instead of now; for one to come, only a preview.")
    ] = None,
    plan: Annotated[str | None, typer.Option(metavar="DIGEST", help="Do nothing if the plan is not this one.")] = None,
    approve: Annotated[list[str], typer.Option(metavar="DIGEST", help="A plan that may go beyond the guard.")] = [],  # noqa: B006
    data: Data = None,
    output: Output = Format.table,
) -> None:
    """Run one action of a policy, to its end. Ends with 5 where the guard or another plan stops it, with 6 if it was stopped
    or another run of it is under way."""
    from holdfast.cli.policies import qualified
    from holdfast.lifecycle.lease import UnderWay
    from holdfast.lifecycle.reporting import failed, report, sentence
    from holdfast.lifecycle.sweeping import Request
    from holdfast.stopping import asked_to_stop

    key = qualified(policy)
    stopping = asked_to_stop()
    with installation(data) as services, Meter("versions", None, unit=Unit.things) as meter:
        as_of_moment = moment(as_of)
        asked = Request(
            as_of=None if as_of_moment is None else datetime.fromisoformat(as_of_moment),
            digest=plan,
            approve=approve,
            preview=preview,
            stop=stopping.is_set,
            progress=lambda done, _due: meter.restart(done),
        )
        try:
            outcome = _sweep(services, key, action, asked)
        except Exception as error:
            detail = error.detail if isinstance(error, Problem) else str(error)
            _tell_kubernetes(failed(error, detail, key, action))
            if isinstance(error, UnderWay):  # or only its lease is left of it, which the tries of its Job have to outlast
                raise Failure(detail, UNAVAILABLE) from error
            raise
    said = report(outcome, key, action)
    _tell_kubernetes(said)
    answer({**said.model_dump(mode="json", exclude_defaults=True), **_previewed(outcome)}, output)
    note(sentence(outcome, key, action))
    if outcome.state != "done":
        raise typer.Exit(_CODES.get(outcome.state, 0))


def _sweep(services: Services, key: str, action: Action, asked: object) -> Outcome:
    from holdfast.lifecycle import pace, sweeping

    assert isinstance(asked, sweeping.Request)
    pace.exempt()
    return sweeping.sweep(services, services.settings.policies_folder, key, action, asked)


def _previewed(outcome: Outcome) -> dict[str, Any]:
    """What a preview says besides: a report names no versions, and is too short for it."""
    if outcome.state != "preview" or outcome.plan is None:
        return {}
    summary = outcome.plan.summary()
    return {"plan": {**{name: summary[name] for name in ("reasons", "excluded", "sample")}, "guard": outcome.guard}}


def _tell_kubernetes(report: Report) -> None:
    from holdfast.policies.report import MESSAGE_FILE, to_message

    if MESSAGE_FILE.is_file():  # within a pod
        with suppress(OSError):
            MESSAGE_FILE.write_text(to_message(report))
