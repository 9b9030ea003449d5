"""``share`` and ``workspace``: who else may do what in your workspace, and the workspace itself."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.account import FromFile, FromStdin, read_password
from holdfast.cli.failures import USAGE, Failure
from holdfast.cli.output import Format, Output, answer, listing
from holdfast.cli.session import logged_in

share = typer.Typer(help="Let others work in your workspace.", no_args_is_help=True)
workspace = typer.Typer(help="Your workspace: what it holds and may hold.", no_args_is_help=True)

Permissions = Annotated[str, typer.Option(help="Comma separated: upload, download, list, archive, destroy.")]
User = Annotated[str, typer.Argument(help="The shared user's name.")]


def _list(permissions: str) -> list[str]:
    return [name.strip() for name in permissions.split(",") if name.strip()]


@share.command("add")
def add(user: User, permissions: Permissions, password_stdin: FromStdin = False, password_file: FromFile = None) -> None:
    """Make a user who works in your workspace."""
    password = read_password(password_stdin, password_file, variable="HOLDFAST_NEW_PASSWORD", twice=True)
    with logged_in() as api:
        api.call("POST", "/shared-users", json={"username": user, "password": password, "permissions": _list(permissions)})


@share.command("set")
def change(user: User, permissions: Permissions) -> None:
    """Change what a shared user may do, from his next request on."""
    with logged_in() as api:
        api.call("PUT", "/shared-users", json={"username": user, "permissions": _list(permissions)})


@share.command("ls")
def show(output: Output = Format.table) -> None:
    """List the shared users."""
    with logged_in() as api:
        listing(api.pages("/shared-users"), ("username", "permissions", "created_at"), output)


@share.command("rm")
def remove(user: User) -> None:
    """Remove a shared user."""
    with logged_in() as api:
        api.call("DELETE", "/shared-users", json={"username": user})


@workspace.command("show")
def usage(output: Output = Format.table) -> None:
    """Show quota, usage and the largest file that is allowed."""
    with logged_in() as api:
        answer(api.call("GET", "/workspace"), output)


@workspace.command("delete")
def delete(
    confirm: Annotated[str, typer.Option(metavar="NAME", help="The workspace's name, typed out.")],
    output: Output = Format.table,
) -> None:
    """Delete the workspace with its users. Its name is never given again."""
    if not confirm:
        raise Failure("Type the workspace's name.", USAGE)
    with logged_in() as api:
        answer(api.call("DELETE", "/workspace", json={"confirm": confirm}), output)
