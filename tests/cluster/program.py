"""The operator as a process that a test can count and kill: `python -m tests.cluster.program [OPTIONS OF holdfast-operator]`.

HOLDFAST_TEST_WRITES names a file that gets a line for each write to the API server; after HOLDFAST_TEST_DIE_AFTER of them the
process dies on the spot.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic_settings import CliApp

from holdfast_operator import main
from holdfast_operator.cluster import Kind, Writes
from holdfast_operator.settings import Settings

DIED = 70


def recorder(file: Path, die_after: int | None) -> Writes:
    """`die_after` 0: before the first write."""
    done = 0

    def write(verb: str, kind: Kind, ended: bool) -> None:
        nonlocal done
        if not ended:
            if die_after is not None and done >= die_after:
                os._exit(DIED)
            return
        with file.open("a") as lines:
            lines.write(f"{verb} {kind.plural}\n")
        done += 1
        if done == die_after:
            os._exit(DIED)

    return write


if __name__ == "__main__":
    die_after = os.environ.get("HOLDFAST_TEST_DIE_AFTER")
    main.run(CliApp.run(Settings), recorder(Path(os.environ["HOLDFAST_TEST_WRITES"]), int(die_after) if die_after else None))
