"""One function in its container: ``python -m holdfast.web.container token``, or without a name the one of ``HOLDFAST_FUNCTION``.

It listens where ``HOLDFAST_HOST`` and ``HOLDFAST_PORT`` say. Where ``AWS_LAMBDA_RUNTIME_API`` is set, it takes its requests from
there instead. Nothing of an import is garbage, so none is looked for meanwhile; what the imports left is then exempt from
collection for good.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

NAME = "HOLDFAST_FUNCTION"
NOT_HERE = "HOLDFAST_AUTH_DISABLED is for demonstrations with `holdfast serve`, not for a container."


def main(arguments: list[str]) -> int:
    """The exit code: 2 for a function that is not there. On Lambda it does not return, and that is an error of the start."""
    if not arguments and NAME in os.environ:
        arguments = [os.environ[NAME]]
    if os.environ.get("AWS_LAMBDA_RUNTIME_API") and len(arguments) == 1:
        return _invoked(arguments[0])
    return _serving(arguments)


def _serving(arguments: list[str]) -> int:
    gc.disable()
    from holdfast.web import logs, server, serving

    if len(arguments) != 1 or arguments[0] not in serving.functions():
        print(f"usage: python -m holdfast.web.container {{{','.join(serving.functions())}}}", file=sys.stderr)
        return 2
    app = import_module(f"endpoints.{arguments[0]}.app").app
    settings = app.state.services.settings
    if settings.auth_disabled:
        print(f"holdfast: {NOT_HERE}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level)
    gc.freeze()
    gc.enable()
    try:
        listener = server.listen(settings.host, settings.port)
    except OSError as error:
        print(f"holdfast: cannot listen on {settings.host}, port {settings.port}: {os.strerror(error.errno or 0)}", file=sys.stderr)
        return 1
    with listener:
        return server.run(app, listener, settings, lambda: print(f"{arguments[0]} is ready: {server.url_of(listener)}", flush=True))


def _invoked(name: str) -> int:
    """The runtime client looks the handler up by itself, so that it can report what goes wrong with that."""
    from awslambdaric.__main__ import main as run

    os.environ[NAME] = name
    run(["awslambdaric", "holdfast.web.invoked.handler"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
