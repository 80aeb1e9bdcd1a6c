from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorumsql.errors import UsageError
from quorumsql.urls import ServerUrl, read_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://host/shop", ServerUrl(engine="postgresql", host="host", database="shop")),
        ("postgresql://host", ServerUrl(engine="postgresql", host="host")),
        (
            "PostgreSQL+psycopg://ann@host:5433/shop?sslmode=require",
            ServerUrl(
                engine="postgresql",
                driver="psycopg",
                user="ann",
                host="host",
                port=5433,
                database="shop",
                query={"sslmode": "require"},
            ),
        ),
        (
            "mysql://ann:p%40ss@[::1]:3306/my%20shop",
            ServerUrl(
                engine="mysql",
                user="ann",
                password="p@ss",
                host="::1",
                port=3306,
                database="my shop",
            ),
        ),
        (
            "postgresql:///shop?host=/run/postgresql",
            ServerUrl(engine="postgresql", database="shop", query={"host": "/run/postgresql"}),
        ),
        (
            "mysql://ann:@host/shop?note=a@b",
            ServerUrl(
                engine="mysql",
                user="ann",
                password="",
                host="host",
                database="shop",
                query={"note": "a@b"},
            ),
        ),
        (
            "mysql://host/shop?note=a@b",
            ServerUrl(engine="mysql", host="host", database="shop", query={"note": "a@b"}),
        ),
    ],
)
def test_the_parts_of_a_url(text: str, expected: ServerUrl) -> None:
    assert read_url(text) == expected


@pytest.mark.parametrize(
    "password", ["p@ss", "a:b", "a/b", "a#b", "a?b", "100%", "ü ñ", "@@", "a/b@c:d", "a?b=c@d"]
)
def test_a_password_may_hold_any_character_as_it_is(password: str) -> None:
    found = read_url(f"postgresql://ann:{password}@host:5432/shop")
    assert (found.user, found.password, found.host) == ("ann", password, "host")
    assert (found.port, found.database) == (5432, "shop")


@given(password=st.text(min_size=1))
def test_a_quoted_password_comes_back_and_is_never_shown(password: str) -> None:
    from urllib.parse import quote

    if any(0xD800 <= ord(character) < 0xE000 for character in password):
        return
    url = read_url(f"postgresql://ann:{quote(password, safe='')}@host:5432/shop")
    assert url.password == password
    assert str(url) == "postgresql://ann@host:5432/shop"
    assert "password" not in repr(url)


def test_secrets_among_the_options_are_not_shown() -> None:
    url = read_url("mysql://ann@host/shop?ssl_key=/home/ann/key.pem&charset=utf8mb4&sslpassword=x")
    assert str(url) == "mysql://ann@host/shop?charset=utf8mb4"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql:/host/shop",
        "nothing",
        "postgresql://ann:tiger@host:54x2/shop",
        "postgresql://ann:tiger@host:99999/shop",
        "postgresql://ann:tiger@[::1/shop",
    ],
)
def test_what_cannot_be_read_is_one_line_without_the_password(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_url(text)
    assert "tiger" not in str(caught.value)
    assert "\n" not in str(caught.value)
