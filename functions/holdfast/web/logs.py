"""Log lines as JSON objects, one a line, each with the id of the request that it belongs to."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

from holdfast.requests import request_id

_SECRET = re.compile(
    r"(bearer\s+|basic\s+|[?&](?:x-amz-[a-z-]+|sig|signature|token|access_token|code|credential|password)=)[^\s&\"'<>]+",
    re.IGNORECASE,
)

_ENCODE = json.JSONEncoder(default=str, ensure_ascii=False).encode


class JsonFormatter(logging.Formatter):
    """``extra={"fields": {...}}`` become members, of lines whose message is a constant. Texts that others wrote (errors,
    tracebacks) lose what looks like a token or a signature; this is the last fence, not the first: nothing of ours logs a query
    string."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        identity = request_id.get()
        if identity is not None:
            line["request_id"] = identity
        fields = getattr(record, "fields", None)
        if fields is None:
            line["message"] = redacted(line["message"])
        else:
            line |= fields
        if record.exc_info:
            line["exception"] = redacted(self.formatException(record.exc_info))
        return _ENCODE(line)


def redacted(text: str) -> str:
    return _SECRET.sub(r"\1***", text)


def configure(level: str, stream: TextIO | None = None) -> None:
    """All of the process's logging, from now on; to standard error by default."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    # What no line of ours says is not collected either (logging HOWTO, "Optimization"): a third of a line's cost.
    setattr(logging, "_srcfile", None)  # noqa: B010  documented, but not in the stubs
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("alembic", "uvicorn.error", "uvicorn.access", "urllib3", "botocore", "boto3", "lakefs_sdk", "mangum", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns about every broken form, which is the client's affair: he gets a 400.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
