"""A command of an image, run here."""

from __future__ import annotations

from images.build import Builder
from tests.servers.process import Process, fresh_folder


def run(builder: Builder, reference: str, *command: str) -> Process:
    """In the foreground, on this machine's network; its container goes with it."""
    if builder.program == "docker":
        words = ["docker", "run", "--rm", "--init", "--read-only", "--tmpfs=/tmp", "--network=host", reference, *command]
    else:
        script = 'c=$(buildah from --pull-never "$0"); buildah run --isolation chroot --network host "$c" -- "$@"; buildah rm "$c"'
        words = ["sh", "-c", script, reference, *command]
    return Process("image", words, fresh_folder("image"), patience=20)
