from __future__ import annotations

import pytest

from quorumsql.domain import Column, Kind, Schema, Table
from quorumsql.forms.translate import translate


def column(name: str, type_: str, kind: Kind = "text", *, key: bool = False) -> Column:
    return Column(name=name, type=type_, kind=kind, primary_key=key, nullable=not key)


TABLES = (
    Table(
        name="Artist",
        columns=(column("ArtistId", "INTEGER", "number", key=True), column("Name", "VARCHAR(40)")),
    ),
    Table(
        name="Album",
        columns=(
            column("AlbumId", "INTEGER", "number", key=True),
            column("Title", "VARCHAR(40)"),
            column("ArtistId", "INTEGER", "number"),
            column("Released", "DATE", "date"),
            column("Sold", "INTEGER", "number"),
            column("Stars", "VARCHAR(5)", "number"),
            column("Live", "BOOLEAN", "boolean"),
            column("Mood", "ENUM('calm', 'wild')"),
        ),
    ),
    Table(
        name="sales.Bill",
        schema="sales",
        columns=(column("id", "INTEGER", "number", key=True), column("album id", "INTEGER")),
    ),
)
JOIN = "FROM Album JOIN Artist ON Album.ArtistId = Artist.ArtistId"
QUOTED_JOIN = 'FROM "Album" JOIN "Artist" ON "Album"."ArtistId" = "Artist"."ArtistId"'


def in_dialect(sql: str, dialect: str) -> str:
    return translate(sql, Schema(name="shop", tables=TABLES, dialect=dialect))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # names
        ("SELECT name FROM artist", 'SELECT "Name" FROM "Artist"'),
        (
            'SELECT "sales.Bill".id FROM "sales.Bill" JOIN Album '
            'ON "sales.Bill"."album id" = Album.AlbumId',
            'SELECT sales."Bill".id FROM sales."Bill" JOIN "Album" '
            'ON sales."Bill"."album id" = "Album"."AlbumId"',
        ),
        ('SELECT Name FROM Artist WHERE Name = "Anna"', "\"Name\" = 'Anna'"),
        # patterns
        ("SELECT Name FROM Artist WHERE Name LIKE '%an%'", "\"Name\" ILIKE '%an%'"),
        (
            "SELECT Title FROM Album WHERE Released LIKE '2023%'",
            "CAST(\"Released\" AS TEXT) LIKE '2023%'",
        ),
        ("SELECT Title FROM Album WHERE Mood LIKE 'w%'", "CAST(\"Mood\" AS TEXT) ILIKE 'w%'"),
        # types
        ("SELECT Title FROM Album WHERE Stars = 5", "\"Stars\" = '5'"),
        ("SELECT Title FROM Album WHERE Sold > '10'", '"Sold" > 10'),
        (
            "SELECT Title FROM Album WHERE Sold IN (1, 'two')",
            "CAST(\"Sold\" AS TEXT) IN ('1', 'two')",
        ),
        ("SELECT Title FROM Album WHERE Live = 1", '"Live" = TRUE'),
        ("SELECT Title FROM Album WHERE Live = 'F'", '"Live" = FALSE'),
        ("SELECT Title FROM Album WHERE Mood = 'calm'", "\"Mood\" = 'calm'"),
        ("SELECT Title FROM Album WHERE Mood = 'sad'", "CAST(\"Mood\" AS TEXT) = 'sad'"),
        (
            "SELECT Title FROM Album WHERE Released BETWEEN '2020-01-01' AND '2020-12-31'",
            "\"Released\" BETWEEN '2020-01-01' AND '2020-12-31'",
        ),
        ("SELECT Title FROM Album WHERE Released > 2020", "CAST(\"Released\" AS TEXT) > '2020'"),
        ("SELECT AVG(Stars) FROM Album", "AVG(CAST(NULLIF(\"Stars\", '') AS DECIMAL))"),
        ("SELECT SUM(Live) FROM Album", 'SUM(CAST("Live" AS INT))'),
        (
            f"SELECT Title {JOIN} WHERE Album.Stars = Artist.ArtistId",
            '"Album"."Stars" = CAST("Artist"."ArtistId" AS TEXT)',
        ),
        # division
        ("SELECT Sold / ArtistId FROM Album", '"Sold" / NULLIF("ArtistId", 0)'),
        # grouping
        (
            f"SELECT Artist.Name, COUNT(*) {JOIN} GROUP BY Album.ArtistId",
            f'SELECT "Artist"."Name", COUNT(*) {QUOTED_JOIN} '
            'GROUP BY "Album"."ArtistId", "Artist"."Name"',
        ),
        (
            f"SELECT Artist.Name, COUNT(*) {JOIN} GROUP BY Artist.ArtistId",
            f'SELECT "Artist"."Name", COUNT(*) {QUOTED_JOIN} GROUP BY "Artist"."ArtistId"',
        ),
        (
            "SELECT Title, COUNT(*) FROM Album GROUP BY ArtistId",
            'SELECT MIN("Title"), COUNT(*) FROM "Album" GROUP BY "ArtistId"',
        ),
        (
            "SELECT Title, MAX(Sold) FROM Album",
            'SELECT "Title", "Sold" FROM "Album" ORDER BY "Sold" DESC NULLS LAST LIMIT 1',
        ),
        (
            "SELECT Title, MAX(Sold) FROM Album GROUP BY ArtistId",
            'SELECT (ARRAY_AGG("Title" ORDER BY "Sold" DESC NULLS LAST))[1], MAX("Sold") '
            'FROM "Album" GROUP BY "ArtistId"',
        ),
        (
            "SELECT DISTINCT Title FROM Album ORDER BY Sold DESC",
            'SELECT "Title" FROM "Album" GROUP BY "Title" ORDER BY MAX("Sold") DESC NULLS LAST',
        ),
        # order
        ("SELECT Title FROM Album ORDER BY Sold", 'ORDER BY "Sold" NULLS FIRST'),
        ("SELECT Title FROM Album ORDER BY AlbumId DESC", 'ORDER BY "AlbumId" DESC'),
        (
            "SELECT ArtistId FROM Album GROUP BY ArtistId ORDER BY COUNT(*) DESC LIMIT 1",
            "ORDER BY COUNT(*) DESC LIMIT 1",
        ),
        # subqueries
        (
            "SELECT Title FROM Album WHERE ArtistId = (SELECT ArtistId FROM Artist)",
            '= (SELECT "ArtistId" FROM "Artist" LIMIT 1)',
        ),
        (
            "SELECT Title FROM Album WHERE Sold > (SELECT AVG(Sold) FROM Album)",
            '> (SELECT AVG("Sold") FROM "Album")',
        ),
    ],
)
def test_postgresql(sql: str, expected: str) -> None:
    assert expected in in_dialect(sql, "postgres")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT Name FROM Artist WHERE Name LIKE '%an%'", "Name LIKE '%an%'"),
        ("SELECT Sold / ArtistId FROM Album", "Sold DIV ArtistId"),
        ("SELECT Title FROM Album WHERE Released > 2020", "CAST(Released AS CHAR) > '2020'"),
        ("SELECT Title, * FROM Album", "SELECT Title, Album.* FROM Album"),
        (
            "SELECT Title FROM Album WHERE ArtistId IN (SELECT ArtistId FROM Artist LIMIT 1)",
            "IN (SELECT * FROM (SELECT ArtistId FROM Artist LIMIT 1) AS s)",
        ),
        ('SELECT id FROM "sales.Bill"', "SELECT id FROM sales.Bill"),
        ('SELECT "album id" FROM "sales.Bill"', "SELECT `album id` FROM sales.Bill"),
        (
            "SELECT Title, MAX(Sold) FROM Album",
            "SELECT Title, Sold FROM Album ORDER BY Sold DESC LIMIT 1",
        ),
    ],
)
def test_mysql(sql: str, expected: str) -> None:
    assert expected in in_dialect(sql, "mysql")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT Sold / ArtistId FROM Album", "Sold // ArtistId"),
        (
            "SELECT Title, MAX(Sold) FROM Album GROUP BY ArtistId",
            "SELECT ARG_MAX(Title, Sold), MAX(Sold) FROM Album GROUP BY ArtistId",
        ),
        (
            f"SELECT Artist.Name, COUNT(*) {JOIN} GROUP BY Artist.ArtistId",
            "GROUP BY Artist.ArtistId, Artist.Name",
        ),
    ],
)
def test_duckdb(sql: str, expected: str) -> None:
    assert expected in in_dialect(sql, "duckdb")


def test_sqlite_stays_as_it_is() -> None:
    assert in_dialect("select  name FROM artist", "sqlite") == "select  name FROM artist"


def test_what_cannot_be_read_stays_as_it_is() -> None:
    assert in_dialect("SELECT FROM WHERE (", "postgres") == "SELECT FROM WHERE ("


def test_an_engine_that_sqlglot_does_not_know_gets_the_words_of_the_standard() -> None:
    found = in_dialect("SELECT Title FROM Album ORDER BY AlbumId LIMIT 3", "firebird")
    assert found == 'SELECT "Title" FROM "Album" ORDER BY "AlbumId" FETCH FIRST 3 ROWS ONLY'
