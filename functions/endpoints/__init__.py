"""The functions: one folder is one container.

``<name>/__init__.py``  ``EXTRAS``: what of the package's extras (pyproject.toml) its image holds. ``ROLE``: as whom it works with
                        the database and the object store, ``read`` or ``write`` (``holdfast.database.grants``).
``<name>/routes.py``    ``router``: parses a request, calls the subject's package, answers. ``serve`` mounts all routers in one app.
``<name>/app.py``       ``app`` (FastAPI) and ``handler`` (Mangum) around that router, for a container of its own.

A handler is asynchronous and calls ``claims(request)`` itself (``holdfast.web.auth``); all of its blocking work goes through one
``await request.app.state.threads.run(act, services, …)``, so nothing blocks the event loop. Operations carry the function's name in
their ``operation_id`` and say with ``problems_of`` what can go wrong.
"""
