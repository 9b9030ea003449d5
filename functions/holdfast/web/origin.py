"""Our own address as clients reach it."""

from __future__ import annotations

from starlette.requests import Request


def base_url(request: Request) -> str:
    """The setting ``public_url``, or else what the request was sent to; without a slash at the end."""
    public: str = request.app.state.services.settings.public_url
    if public:
        return public.rstrip("/")
    scope = request.scope
    host = request.headers.get("host") or "{}:{}".format(*scope["server"])
    return f"{scope['scheme']}://{host}{scope.get('root_path', '')}".rstrip("/")
