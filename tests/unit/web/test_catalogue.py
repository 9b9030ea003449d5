"""The list of functions, from which images, chart and skaffold follow."""

from __future__ import annotations

from importlib import import_module
from unittest.mock import patch

from fastapi.routing import APIRoute

from holdfast.web import catalogue, serving
from tests.roles.stack import fresh

FUNCTIONS = {one.name: one for one in catalogue.functions()}


def receiver(path: str) -> str:
    """The function that an ingress sends ``path`` to: whose path is it, or the longest that it lies beneath."""
    fitting = [(len(one), name) for name, f in FUNCTIONS.items() for one in f.paths if path == one or path.startswith(f"{one}/")]
    return max(fitting)[1]


def test_every_folder_of_endpoints_is_a_function() -> None:
    assert list(FUNCTIONS) == serving.functions()


def test_every_route_reaches_the_function_that_owns_it() -> None:
    routes = [
        (name, route.path.replace("{", "").replace(":path}", "").replace("}", ""))
        for name in FUNCTIONS
        for route in import_module(f"endpoints.{name}.routes").router.routes
        if isinstance(route, APIRoute)
    ]
    assert len(routes) > len(FUNCTIONS)
    assert [path for name, path in routes if receiver(path) != name] == []


def test_no_two_functions_claim_the_same_path() -> None:
    claimed = [path for one in FUNCTIONS.values() for path in one.paths]
    assert len(claimed) == len(set(claimed))
    assert all(one.paths for one in FUNCTIONS.values())


def test_what_an_ingress_cannot_tell_apart_belongs_to_one_function() -> None:
    """``/token/revoke`` lies beneath ``/token``, and has a function of its own by being the longer one."""
    assert FUNCTIONS["token"].paths == ("/token",)
    assert FUNCTIONS["token_revoke"].paths == ("/token/revoke",)
    assert FUNCTIONS["runs"].paths == ("/runs",)


def test_a_name_is_made_fit_for_kubernetes() -> None:
    assert FUNCTIONS["add_associated_files"].slug == "add-associated-files"


def test_a_function_that_only_reads_has_no_method_that_changes_anything() -> None:
    methods = {
        name: {
            method for route in import_module(f"endpoints.{name}.routes").router.routes for method in getattr(route, "methods", ())
        }
        for name in FUNCTIONS
    }
    reading = {name for name, one in FUNCTIONS.items() if one.role == "read"}
    assert {name for name in reading if methods[name] - {"GET", "HEAD"}} == {"policies_preview"}  # which a policy is sent to
    assert {name for name in FUNCTIONS if not methods[name] - {"GET", "HEAD"}} <= reading | WITHOUT_STORES


WITHOUT_STORES = {"console", "docs", "jwks"}


def test_who_has_no_role_needs_no_store_to_be_ready() -> None:
    """And who needs one has a role."""
    needs = dict[str, object]()
    for name in FUNCTIONS:
        with patch("holdfast.web.function.create_app") as made:
            fresh(f"endpoints.{name}.app")
        needs[name] = made.call_args.kwargs.get("needs")
    assert {name for name, parts in needs.items() if not parts} == WITHOUT_STORES
    assert {name for name, one in FUNCTIONS.items() if one.role == "none"} == WITHOUT_STORES
