from __future__ import annotations

import pytest
from pydantic import ValidationError

from holdfast.database.url import parse
from holdfast.settings import Settings


def test_a_password_of_its_own_is_put_into_the_databases_url_whatever_is_in_it() -> None:
    settings = Settings.model_validate(
        {"database_url": "mysql+pymysql://ada@db:3306/holdfast?a=b", "database_password": "p@ss:/%?"}
    )
    url = parse(settings.database)
    assert (url.user, url.password, url.host, url.port, url.database) == ("ada", "p@ss:/%?", "db", 3306, "holdfast")


@pytest.mark.parametrize("url", ["", "mysql+pymysql://db/holdfast", "mysql+pymysql://ada:known@db/holdfast"])
def test_a_password_that_has_no_place_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="names a user and no password"):
        Settings.model_validate({"database_url": url, "database_password": "secret"})
