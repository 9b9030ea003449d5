"""The fail points of sweeps and of their undoing: one before and one after each transaction."""

from holdfast import failpoints

failpoints.declare(
    "sweep.begin.before",
    "sweep.begin.after",
    "sweep.plan.before",
    "sweep.plan.after",
    "sweep.batch.before",
    "sweep.batch.commit.before",
    "sweep.batch.after",
    "sweep.end.before",
    "sweep.end.after",
    "undo.batch.before",
    "undo.batch.commit.before",
    "undo.batch.after",
)
