"""The fail points of resumable uploads: one before and one after each transaction. The store's own are declared by its adapters."""

from holdfast import failpoints

failpoints.declare(
    "session.open.before",
    "session.open.after",
    "session.length.before",
    "session.length.after",
    "session.concatenate.before",
    "session.concatenate.after",
    "session.claim.after",
    "session.number.after",
    "session.part.before",
    "session.part.after",
    "session.piece.before",
    "session.piece.after",
    "session.kept.before",
    "session.kept.after",
    "session.promise.before",
    "session.promise.after",
    "session.complete.before",
    "session.complete.after",
    "session.store.before",
    "session.store.after",
    "session.end.before",
    "session.end.after",
    "session.erase.before",
    "session.erase.after",
)
