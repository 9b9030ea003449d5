"""PyMySQL without ``cryptography``, and with it again where a server wants it."""

from __future__ import annotations

import subprocess
import sys

from sqlalchemy import make_url
from tests.servers.mysql import MySQL


def python(program: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_token_function_starts_without_what_it_seldom_needs() -> None:
    heavy = "('sqlalchemy', 'cryptography', 'jwt', 'boto3', 'lakefs_sdk', 'prometheus_client', 'pydantic.v1')"
    assert python(f"import endpoints.token.app, sys; print([name for name in {heavy} if name in sys.modules])") == "[]"


def test_what_was_left_out_can_be_brought_in_once() -> None:
    program = "from holdfast.database import light as l; l.import_pymysql(); print(l.complete_pymysql(), l.complete_pymysql())"
    assert python(program) == "True False"


def test_whoever_imports_cryptography_afterwards_gets_it() -> None:
    program = (
        "from holdfast.database import light as l; l.import_pymysql(); import cryptography, jwt; print(jwt.algorithms.has_crypto)"
    )
    assert python(program) == "True"


def test_a_password_in_the_clear_to_mysql_on_loopback(mysql: MySQL) -> None:
    """The server has not seen this user's password yet, so it asks for it encrypted with its public key."""
    database = make_url(mysql.create_database())
    mysql.execute(
        "CREATE USER fresh@'127.0.0.1' IDENTIFIED WITH caching_sha2_password BY 'secret'", "GRANT ALL ON *.* TO fresh@'127.0.0.1'"
    )
    url = database.set(username="fresh", password="secret").render_as_string(hide_password=False)
    program = (
        "import sys; from holdfast.database import light; light.import_pymysql(); from holdfast.database.direct import Direct; "
        "print(Direct(sys.argv[1]).one('SELECT 1'))"
    )
    try:
        assert python(program, url) == "(1,)"
    finally:
        mysql.execute("DROP USER fresh@'127.0.0.1'")
