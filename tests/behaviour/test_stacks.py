"""A stack is an installation of its own, and works."""

from __future__ import annotations

from tests.stacks import WITH_MYSQL, Stack


@WITH_MYSQL
def test_a_stack_stores_what_it_is_sent(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        assert http.get("/readyz").status_code == 200
        reply = http.post("/fileupload", files={"primary_file": ("note.txt", b"hello")})
    assert reply.status_code == 200, reply.text
    assert reply.json()["asset_path"] == "text/txt/note"
    assert len(list(stack.own.objects.keys())) == 1


def test_two_stacks_share_nothing(stack: Stack) -> None:
    assert list(stack.own.objects.keys()) == []
    stack.user("ada")  # would be refused if there were one
