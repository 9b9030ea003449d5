"""Which request is being answered, wherever in the program that is asked."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Set by ``holdfast.web.gate``; None outside of a request. It goes along into the handler's thread."""
