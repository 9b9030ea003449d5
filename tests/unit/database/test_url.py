"""A database's URL means the same with and without SQLAlchemy."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.engine import URL, make_url

from holdfast.database.url import parse

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
HOSTS = st.one_of(st.none(), st.sampled_from(["db", "db.example.org", "127.0.0.1", "::1"]))


def both_agree(url: str) -> None:
    ours, theirs = parse(url), make_url(url)
    assert (ours.driver, ours.user, ours.password, ours.host, ours.port, ours.database) == (
        theirs.drivername,
        theirs.username,
        theirs.password,
        theirs.host,
        theirs.port,
        theirs.database,
    )
    assert dict(ours.query) == dict(theirs.query)
    assert ours.is_sqlite == (theirs.drivername.split("+")[0] == "sqlite")


@given(
    st.builds(
        URL.create,
        st.sampled_from(["mysql+pymysql", "sqlite"]),
        username=TEXT,
        password=st.one_of(st.none(), TEXT),
        host=HOSTS,
        port=st.one_of(st.none(), st.integers(1, 65535)),
        database=st.one_of(st.none(), TEXT),
        query=st.dictionaries(TEXT, TEXT, max_size=2),
    )
)
def test_any_url_that_sqlalchemy_writes(url: URL) -> None:
    both_agree(url.render_as_string(hide_password=False))


@given(st.text("abc:/@#%+[]. é1", max_size=30).map("mysql+pymysql://{}".format))
@example("mysql+pymysql://u:p/w?x#y@h:1/d")
@example("mysql+pymysql://u:p%40%2F%25@h/d?ssl_ca=%2Fca.pem")
@example("mysql+pymysql://[::1]:3307/d")
def test_any_url_that_somebody_types(url: str) -> None:
    try:
        make_url(url)
    except ValueError:
        with pytest.raises(ValueError, match="invalid literal"):
            parse(url)
    else:
        both_agree(url)


@pytest.mark.parametrize(
    "url",
    ["sqlite:////var/lib/holdfast.db", "sqlite:///data/holdfast.db", "sqlite:///a b%20c.db", "sqlite://", "sqlite:///:memory:"],
)
def test_files_of_sqlite(url: str) -> None:
    both_agree(url)


@pytest.mark.parametrize("url", ["", "holdfast.db", "mysql", "mysql:/x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a database URL"):
        parse(url)
