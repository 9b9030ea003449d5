"""Who the client commands are: login, logout, registration, password, workspace."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli import credentials
from holdfast.cli.credentials import DEFAULT_URL, URL_VARIABLE, Credentials
from holdfast.cli.failures import USAGE, Failure
from holdfast.cli.output import Format, Output, answer, note
from holdfast.cli.session import logged_in

PASSWORD_VARIABLE = "HOLDFAST_PASSWORD"  # noqa: S105  the name of a variable

app = typer.Typer()

Url = Annotated[str, typer.Option(envvar=URL_VARIABLE, help="Address of the server.", show_default=DEFAULT_URL)]
Username = Annotated[str, typer.Argument(help="Your user name.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
FromFile = Annotated[Path | None, typer.Option("--password-file", help="Read the password from this file.")]


def read_password(
    stdin: bool, file: Path | None, *, variable: str = PASSWORD_VARIABLE, prompt: str = "Password", twice: bool = False
) -> str:
    """From the one place that was named, else from the environment, else asked for at the terminal. One line break at the end does
    not belong to it. Raises Failure where nobody can be asked."""
    if stdin and file:
        raise Failure("Name one of --password-stdin and --password-file.", USAGE)
    if stdin:
        return sys.stdin.readline().removesuffix("\n")
    if file:
        return file.read_text().removesuffix("\n")
    if from_environment := os.environ.get(variable):
        return from_environment
    if not sys.stdin.isatty():
        raise Failure(f"No password: use --password-stdin, --password-file or {variable}.", USAGE)
    password = getpass.getpass(f"{prompt}: ")
    if twice and getpass.getpass("Once more: ") != password:
        raise Failure("The two differ.", USAGE)
    return password


@app.command()
def login(username: Username, url: Url = DEFAULT_URL, password_stdin: FromStdin = False, password_file: FromFile = None) -> None:
    """Log in, and stay so until the token runs out."""
    _log_in(url, username, read_password(password_stdin, password_file))


@app.command()
def register(
    username: Username,
    url: Url = DEFAULT_URL,
    invitation: Annotated[str | None, typer.Option(help="The code, where registration is by invitation.")] = None,
    password_stdin: FromStdin = False,
    password_file: FromFile = None,
) -> None:
    """Make yourself a user with a workspace of your own, and log in."""
    from holdfast.cli.api import Api

    password = read_password(password_stdin, password_file, twice=True)
    wanted = {"username": username, "password": password}
    with Api(url) as api:
        api.call("POST", "/users", json=wanted if invitation is None else {**wanted, "invitation": invitation})
    _log_in(url, username, password)


@app.command()
def logout() -> None:
    """Make the token void, here and at the server."""
    try:
        with logged_in() as api:
            api.call("POST", "/token/revoke")
    finally:
        credentials.forget()


@app.command()
def whoami(output: Output = Format.table) -> None:
    """Show who you are and what you may do."""
    with logged_in() as api:
        answer(api.call("GET", "/me"), output)


@app.command()
def passwd(
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the old and the new password from standard input, one a line.")
    ] = False,
) -> None:
    """Change your password. Every other login of yours ends."""
    kept = credentials.load()
    with logged_in() as api:
        old = read_password(password_stdin, None, prompt="Old password")
        new = read_password(password_stdin, None, variable="HOLDFAST_NEW_PASSWORD", prompt="New password", twice=True)
        token = api.call("PUT", "/me/password", json={"old_password": old, "new_password": new})
    credentials.save(replace(kept, token=token["access_token"]))
    note("The password was changed. You are logged in; whoever else was, is not any more.")


def _log_in(url: str, username: str, password: str) -> None:
    from holdfast.cli.api import Api

    with Api(url) as api:
        token = api.call("POST", "/token", form={"username": username, "password": password})
        place = credentials.save(Credentials(api.url, token["username"], token["branch"], token["access_token"]))
    note(f"Logged in at {api.url} as {token['username']} (workspace {token['branch']}); the token is in {place}.")
