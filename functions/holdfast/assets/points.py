"""The fail points of the write path: one before and one after each transaction. The stores' own are declared by their adapters."""

from holdfast import failpoints

failpoints.declare(
    "intent.open.before",
    "intent.open.after",
    "intent.store.before",
    "intent.store.after",
    "intent.fail.before",
    "intent.fail.after",
    "commit.lease.after",
    "commit.form.before",
    "commit.form.after",
    "commit.branch.before",
    "commit.branch.after",
    "commit.eject.before",
    "commit.eject.after",
    "commit.publish.before",
    "commit.publish.after",
    "commit.publish.one.before",
    "commit.publish.one.after",
    "erase.mark.before",
    "erase.mark.after",
)
