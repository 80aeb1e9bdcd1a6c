"""The same question has the same rows on every engine: Chinook, asked in SQLite's SQL and in words.

Statements are written as the embedded members write them and go through `translate`. What is
left out: which of several equal rows LIMIT keeps, since no engine promises that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import chinook
from quorumsql import connect
from quorumsql.api import Connection
from quorumsql.domain import Execution, Rows
from quorumsql.forms.translate import translate
from quorumsql.results import same_result

ENGINES = {
    "sqlite": chinook.sqlite,
    "duckdb": chinook.duckdb,
    "postgresql": chinook.postgresql,
    "mariadb": chinook.mariadb,
}
OTHERS = [name for name in ENGINES if name != "sqlite"]

STATEMENTS = [
    "SELECT COUNT(*) FROM Track",
    "SELECT Name FROM Artist WHERE Name LIKE '%ac%'",
    "SELECT Name FROM Artist WHERE NOT Name LIKE '%a%'",
    "SELECT FirstName, LastName FROM Customer WHERE Country = 'Brazil' AND City <> 'São Paulo'",
    "SELECT Title FROM Album WHERE ArtistId = '90'",
    "SELECT Name FROM Track WHERE Milliseconds BETWEEN '300000' AND 301000",
    "SELECT COUNT(*) FROM Track WHERE Composer IS NULL",
    "SELECT DISTINCT BillingCountry FROM Invoice",
    "SELECT COUNT(DISTINCT BillingCountry) FROM Invoice",
    "SELECT COUNT(*) FROM Invoice WHERE InvoiceDate LIKE '2010%'",
    "SELECT COUNT(*) FROM Invoice WHERE InvoiceDate >= '2010-01-01'",
    "SELECT InvoiceDate FROM Invoice WHERE InvoiceId = 5",
    "SELECT MIN(InvoiceDate), MAX(InvoiceDate) FROM Invoice",
    "SELECT CustomerId FROM Customer WHERE PostalCode = 70174",
    "SELECT FirstName FROM Customer WHERE PostalCode = '0171'",
    "SELECT AVG(Total), SUM(Total), MIN(Total), MAX(Total) FROM Invoice",
    "SELECT AVG(Milliseconds) FROM Track",
    "SELECT TrackId, Milliseconds / 60000 FROM Track WHERE AlbumId = 1",
    "SELECT TrackId, Milliseconds / MediaTypeId / 1000 FROM Track WHERE AlbumId = 1",
    "SELECT Milliseconds - Bytes FROM Track WHERE TrackId = 7",
    "SELECT BillingCity, SUM(Total) FROM Invoice GROUP BY BillingCity HAVING SUM(Total) > 80",
    "SELECT Artist.Name, COUNT(*) FROM Artist JOIN Album ON Artist.ArtistId = Album.ArtistId "
    "GROUP BY Artist.ArtistId",
    "SELECT Artist.Name, COUNT(*) FROM Artist JOIN Album ON Artist.ArtistId = Album.ArtistId "
    "GROUP BY Album.ArtistId HAVING COUNT(*) > 5",
    "SELECT Genre.Name, AVG(Track.Milliseconds) FROM Genre JOIN Track "
    "ON Track.GenreId = Genre.GenreId GROUP BY Genre.GenreId ORDER BY AVG(Track.Milliseconds) DESC",
    "SELECT Name, MAX(Milliseconds) FROM Track",
    "SELECT Name, MIN(Bytes) FROM Track",
    "SELECT Name FROM Track ORDER BY Milliseconds DESC LIMIT 3",
    "SELECT DISTINCT BillingCity FROM Invoice ORDER BY InvoiceId LIMIT 3",
    "SELECT State FROM Employee ORDER BY State LIMIT 1",
    "SELECT Composer FROM Track ORDER BY Composer LIMIT 5",
    "SELECT ReportsTo FROM Employee ORDER BY ReportsTo DESC LIMIT 8",
    "SELECT Name FROM Track WHERE Milliseconds = (SELECT MAX(Milliseconds) FROM Track)",
    "SELECT Title FROM Album WHERE ArtistId = (SELECT ArtistId FROM Artist WHERE Name = 'AC/DC')",
    "SELECT Name FROM Artist WHERE ArtistId NOT IN (SELECT ArtistId FROM Album)",
    "SELECT Name FROM Genre WHERE GenreId IN (SELECT GenreId FROM Track ORDER BY TrackId LIMIT 1)",
    "SELECT City FROM Customer INTERSECT SELECT City FROM Employee",
    "SELECT City FROM Employee EXCEPT SELECT City FROM Customer",
    "SELECT City FROM Customer UNION SELECT City FROM Employee",
    "SELECT Playlist.Name, COUNT(*) FROM Playlist JOIN PlaylistTrack "
    "ON PlaylistTrack.PlaylistId = Playlist.PlaylistId GROUP BY Playlist.PlaylistId",
    "SELECT BillingCity, COUNT(*) FROM Invoice WHERE Total > 10 GROUP BY BillingCity",
    "SELECT COUNT(*) FROM Customer WHERE Company IS NOT NULL OR Fax IS NOT NULL",
]

DIFFERENT = {
    ("mariadb", "SELECT Name FROM Artist WHERE Name LIKE '%ac%'"): "its collation ignores accents",
    (
        "mariadb",
        "SELECT Name FROM Artist WHERE NOT Name LIKE '%a%'",
    ): "its collation ignores accents",
}
"""What an engine answers in its own way, and why."""

QUESTIONS = [
    "How many customers are from Brazil?",
    "List the names of all genres.",
    "What is the name of the artist with the most albums?",
    "How many customers are from each country?",
    "What is the total of all invoices for each customer?",
    "Which customers live in Paris?",
    "Which genres have more than 100 tracks?",
]


@pytest.fixture(scope="module")
def databases(
    request: pytest.FixtureRequest, sample_dbs_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Connection]]:
    with ExitStack() as stack:
        opened = {}
        for name, make in ENGINES.items():
            url = make(request, sample_dbs_dir, tmp_path_factory.mktemp(name))
            opened[name] = stack.enter_context(closing(connect(url)))
        yield opened


def plain(execution: Execution | None) -> Rows:
    """The result with dates as SQLite keeps them: as text."""
    assert isinstance(execution, Rows), execution
    rows = (tuple(str(v) if isinstance(v, date) else v for v in row) for row in execution.rows)
    return replace(execution, rows=tuple(rows))


@pytest.mark.parametrize("engine", OTHERS)
def test_the_schema_is_the_same(databases: Mapping[str, Connection], engine: str) -> None:
    ours, theirs = databases["sqlite"].schema, databases[engine].schema
    assert [t.name for t in ours.tables] == [t.name for t in theirs.tables]
    for own, other in zip(ours.tables, theirs.tables, strict=True):
        expected = [(c.name, c.kind, c.primary_key) for c in own.columns]
        assert [(c.name, c.kind, c.primary_key) for c in other.columns] == expected
    assert set(theirs.foreign_keys) == set(ours.foreign_keys)


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_statement_has_the_same_rows(
    databases: Mapping[str, Connection], engine: str, sql: str
) -> None:
    expected = plain(databases["sqlite"].sql(sql))
    translated = translate(sql, databases[engine].schema)
    found = plain(databases[engine].sql(translated))
    ordered = "ORDER BY" in sql and "IN (" not in sql
    same = same_result(found, expected, ordered=ordered)
    assert same == ((engine, sql) not in DIFFERENT), (translated, found.rows[:5])


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_has_the_same_rows(databases: Mapping[str, Connection], question: str) -> None:
    expected = plain(databases["sqlite"].ask(question).execution)
    assert expected.rows
    for engine in OTHERS:
        answer = databases[engine].ask(question)
        assert same_result(plain(answer.execution), expected), (engine, answer.sql)
