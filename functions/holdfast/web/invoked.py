"""``handler``: that of the function that ``HOLDFAST_FUNCTION`` names, as AWS Lambda's runtime client looks it up.

Looking it up is the start of the function: what that raises, the client reports as the error of the initialisation. The client has
set up logging of its own by then; from here on it is ours, JSON on standard error, which Lambda collects as well.
"""

from __future__ import annotations

import gc
import os
from importlib import import_module
from typing import Any

from holdfast.web import logs
from holdfast.web.container import NAME, NOT_HERE


def __getattr__(name: str) -> Any:
    """PEP 562. Raises AttributeError for another name, ValueError for a setting that is not for here, and whatever importing
    the function raises."""
    if name != "handler":
        raise AttributeError(name)
    gc.disable()
    function = import_module(f"endpoints.{os.environ[NAME]}.app")
    settings = function.app.state.services.settings
    if settings.auth_disabled:
        raise ValueError(NOT_HERE)
    logs.configure(settings.log_level)
    gc.freeze()
    gc.enable()
    return function.handler
