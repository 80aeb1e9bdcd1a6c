from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Rows
from quorumsql.errors import DatabaseError, UsageError
from sqlite_files import make, unchanged

TABLE = "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (7);"

ODD_NAMES = [
    "plain.db",
    "with space.db",
    "question?mark.db",
    "question?mode=rwc",
    "hash#tag.db",
    "100%25.db",
    "a%20b.db",
    "quote'\".db",
    "日本語.sqlite",
    "semi;colon&.db",
    "no_ending",
]


def answers(url: str) -> bool:
    with closing(open_database(url)) as database:
        found = database.execute("SELECT a FROM t")
        return isinstance(found, Rows) and found.rows == ((7,),)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_path_may_hold_any_character(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / name, TABLE)
    with unchanged(tmp_path):
        assert answers(str(path))
        assert answers(f"sqlite:///{path}")


def test_paths_may_be_relative_or_begin_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "shop.db", TABLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for url in (
        "shop.db",
        "./shop.db",
        "~/shop.db",
        "sqlite:///shop.db",
        "sqlite:///~/shop.db",
        "sqlite+pysqlite:///shop.db",
        f"sqlite:////{str(tmp_path).lstrip('/')}/shop.db",
        "sqlite:///shop.db?mode=rw",
        " shop.db ",
    ):
        assert answers(url), url


def test_a_url_may_be_percent_encoded(tmp_path: Path) -> None:
    make(tmp_path / "with space.db", TABLE)
    assert answers(f"sqlite:///{tmp_path}/with%20space.db")


def test_a_link_is_followed(tmp_path: Path) -> None:
    path = make(tmp_path / "real.db", TABLE)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    assert answers(str(link))


def test_the_name_is_the_files_stem(tmp_path: Path) -> None:
    with closing(open_database(str(make(tmp_path / "world_1.sqlite", TABLE)))) as database:
        assert database.name == "world_1"
        assert database.dialect == "sqlite"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("oracle+oracledb://scott:tiger@host/db", "driver oracledb"),
        ("nosuchengine://scott:tiger@host/db", "no such dialect"),
        ("sqlite://shop.db", "sqlite:///shop.db"),
        ("file:shop.db?mode=ro", "file:"),
        (":memory:", "in-memory"),
        ("sqlite://", "in-memory"),
        ("sqlite:///", "in-memory"),
        ("sqlite:///:memory:", "in-memory"),
        ("~nobody_of_that_name/x.db", "home folder"),
        ("null\x00byte.db", "null"),
        ("x" * 5000, "too long"),
    ],
)
def test_what_names_no_database_is_one_line_that_helps(url: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_database(url)
    message = str(caught.value)
    assert words.lower() in message.lower()
    assert "\n" not in message
    assert "tiger" not in message


def _text(path: Path) -> None:
    path.write_text("id,name\n1,Ana\n" * 20, encoding="utf-8")


def _noise(path: Path) -> None:
    path.write_bytes(bytes(range(255, 0, -1)) * 20)


def _short(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00 cut short")


def _bad_page_size(path: Path) -> None:
    make(path, TABLE)
    data = bytearray(path.read_bytes())
    data[16:18] = b"\x12\x34"
    path.write_bytes(data)


def _bad_catalogue(path: Path) -> None:
    make(path, TABLE)
    data = bytearray(path.read_bytes())
    data[100:200] = b"\xff" * 100
    path.write_bytes(data)


def _encrypted_like(path: Path) -> None:
    path.write_bytes(os.urandom(4096))


def _parquet(path: Path) -> None:
    path.write_bytes(b"PAR1" + bytes(200) + b"PAR1")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_text, "holds text"),
        (_noise, "not an SQLite database"),
        (_encrypted_like, "encrypted"),
        (_parquet, "Parquet"),
        (_short, "damaged"),
        (_bad_page_size, "damaged"),
        (_bad_catalogue, "damaged"),
        (Path.mkdir, "folder"),
        (os.mkfifo, "regular file"),
    ],
)
def test_what_is_no_database_is_said_in_one_line(tmp_path: Path, spoil: object, words: str) -> None:
    path = tmp_path / "thing.db"
    assert callable(spoil)
    spoil(path)
    with pytest.raises(DatabaseError) as caught:
        open_database(str(path))
    message = str(caught.value)
    assert words in message
    assert str(path) in message
    assert "\n" not in message


def test_a_missing_file_is_not_made_and_the_nearest_name_is_offered(tmp_path: Path) -> None:
    make(tmp_path / "chinook.db", TABLE)
    with unchanged(tmp_path), pytest.raises(DatabaseError, match=r"Did you mean 'chinook\.db'"):
        open_database(str(tmp_path / "chinok.db"))
    with pytest.raises(DatabaseError, match="does not exist"):
        open_database(str(tmp_path / "nowhere" / "x.db"))


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with unchanged(tmp_path), closing(open_database(str(path))) as database:
        schema = database.schema()
        assert (schema.tables, schema.foreign_keys) == ((), ())
        assert database.execute("SELECT 1 AS one") == Rows(columns=("one",), rows=((1,),))


def test_a_database_without_tables_is_empty_too(tmp_path: Path) -> None:
    path = make(tmp_path / "bare.db", "CREATE TABLE t (a); DROP TABLE t;")
    with closing(open_database(str(path))) as database:
        assert database.schema().tables == ()


def test_old_header_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA legacy_file_format = ON")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(TABLE)
    assert answers(str(path))
