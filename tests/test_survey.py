"""A survey reads what is new, keeps what is finished, and never touches the user's database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Schema
from quorumsql.errors import UsageError
from quorumsql.ports import Database
from quorumsql.profiles import ColumnProfile, TableProfile, join_hints
from quorumsql.stages.describe import (
    Descriptions,
    describe,
    described,
    merged,
    read_text,
    write_text,
)
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.stores.values_disk import DiskValueIndex
from quorumsql.survey import (
    Report,
    Watcher,
    file_stamp,
    known_profiles,
    open_index,
    survey,
    value_index,
)
from sqlite_files import make, unchanged

SCRIPT = """
CREATE TABLE guest (
    id INTEGER PRIMARY KEY, name TEXT, email TEXT, password TEXT, sex TEXT, born DATE, note TEXT,
    photo BLOB, score REAL, anything
);
CREATE TABLE stay (guest_id INTEGER, city TEXT, nights INTEGER, paid TEXT, year INTEGER);
CREATE TABLE place (city TEXT, land TEXT, code TEXT);
CREATE VIEW long_stay AS SELECT * FROM stay WHERE nights > 3;
"""
CITIES = ("Lisbon", "Oslo", "New York", "São Paulo")


def fill(connection: sqlite3.Connection) -> None:
    for n in range(60):
        connection.execute(
            "INSERT INTO guest VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (n, f"Guest Number{n}", f"g{n}@example.com", f"secret{n}", "FM"[n % 2],
             f"19{50 + n % 40}-0{n % 9 + 1}-11", "a long story " * 30, b"\x00\xff" * 50,
             n / 7, n if n % 2 else f"text{n}"),
        )  # fmt: skip
        connection.execute(
            "INSERT INTO stay VALUES (?, ?, ?, ?, ?)",
            (n % 20, CITIES[n % 4], n % 5 + 1, "yn"[n % 2], 2000 + n % 7),
        )
    lands = ("Portugal", "Norway", "USA", "Brazil")
    for n, (city, land) in enumerate(zip(CITIES, lands, strict=True)):
        connection.execute("INSERT INTO place VALUES (?, ?, ?)", (city, land, f"AB-{n}17"))
    connection.commit()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    made = make(folder / "hotel.sqlite", SCRIPT)
    with closing(sqlite3.connect(made)) as connection:
        fill(connection)
    return made


def surveyed(path: Path, folder: Path, **given: object) -> Report:
    with closing(open_database(str(path))) as database:
        return survey(database, folder, **given)  # type: ignore[arg-type]


def profiles(folder: Path) -> dict[str, TableProfile]:
    return {profile.table: profile for profile in known_profiles(folder)}


def column(folder: Path, name: str) -> ColumnProfile:
    table, _, own = name.partition(".")
    found = profiles(folder)[table].column(own)
    assert found is not None
    return found


def index_of(path: Path, folder: Path) -> DiskValueIndex:
    with closing(open_database(str(path))) as database:
        found = open_index(folder, database.schema())
    assert found is not None
    return found


def test_the_users_folder_stays_as_it_was(path: Path, tmp_path: Path) -> None:
    with unchanged(path.parent):
        report = surveyed(path, tmp_path / "home")
    assert report.read == ("guest", "place", "stay")
    assert report.failed == ()


@pytest.mark.parametrize(
    ("name", "meaning", "granularity", "private"),
    [
        ("guest.id", "identifier", "", ""),
        ("guest.name", "name", "", ""),
        ("guest.email", "name", "", "email"),
        ("guest.password", "name", "", "secret"),
        ("guest.sex", "enumeration", "", ""),
        ("guest.born", "date", "day", ""),
        ("guest.note", "text", "", ""),
        ("guest.photo", "other", "", ""),
        ("guest.score", "measure", "", ""),
        ("stay.guest_id", "identifier", "", ""),
        ("stay.city", "enumeration", "", ""),
        ("stay.paid", "flag", "", ""),
        ("stay.year", "date", "year", ""),
        ("place.code", "identifier", "", ""),
    ],
)
def test_what_values_mean(
    path: Path, tmp_path: Path, name: str, meaning: str, granularity: str, private: str
) -> None:
    surveyed(path, tmp_path / "home")
    found = column(tmp_path / "home", name)
    assert (found.granularity, found.private) == (granularity, private)
    if private != "secret":
        assert found.meaning == meaning


def test_counts_are_right(path: Path, tmp_path: Path) -> None:
    surveyed(path, tmp_path / "home")
    city = column(tmp_path / "home", "stay.city")
    assert (city.rows, city.nulls, city.distinct, city.exact) == (60, 0, 4, True)
    assert dict(city.top) == dict.fromkeys(CITIES, 15)
    assert (city.minimum, city.maximum) == ("Lisbon", "São Paulo")
    nights = column(tmp_path / "home", "stay.nights")
    assert (nights.minimum, nights.maximum, nights.distinct) == (1, 5, 5)
    assert column(tmp_path / "home", "guest.id").unique


def test_distinct_values_of_a_long_column_are_estimated_well(tmp_path: Path) -> None:
    made = make(tmp_path / "long.sqlite", "CREATE TABLE t (x TEXT, y INTEGER)")
    with closing(sqlite3.connect(made)) as connection:
        rows = ((f"word {n}", n % 3 if n % 2 else None) for n in range(60_000))
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.commit()
    surveyed(made, tmp_path / "home")
    words = column(tmp_path / "home", "t.x")
    assert not words.exact
    assert words.distinct == pytest.approx(60_000, rel=0.15)
    assert column(tmp_path / "home", "t.y").nulls == 30_000
    with closing(index_of(made, tmp_path / "home")) as index:
        assert index.mentions("what about Word 59999")[0].value == "word 59999"


def test_secrets_are_not_indexed_and_patterns_keep_more_away(path: Path, tmp_path: Path) -> None:
    surveyed(path, tmp_path / "home", private=["*.name", "place.*"])
    with closing(index_of(path, tmp_path / "home")) as index:
        assert not any(hit.column == "password" for hit in index.mentions("secret7"))
        assert not any(hit.match == "exact" for hit in index.mentions("Guest Number7"))
        assert index.mentions("São Paulo")[0].table == "stay"
    assert "place" not in profiles(tmp_path / "home")


def test_only_changed_tables_are_read_again(path: Path, tmp_path: Path) -> None:
    surveyed(path, tmp_path / "home")
    assert surveyed(path, tmp_path / "home").read == ()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE place SET land = 'Norge' WHERE land = 'Norway'")
        connection.commit()
    report = surveyed(path, tmp_path / "home")
    assert (report.read, len(report.unchanged)) == (("place",), 2)
    with closing(index_of(path, tmp_path / "home")) as index:
        assert index.mentions("Norge")[0].score == 1.0
        assert not any(hit.value == "Norway" for hit in index.mentions("Norway"))


def test_a_changed_long_table_is_noticed(tmp_path: Path) -> None:
    made = make(tmp_path / "long.sqlite", "CREATE TABLE t (x TEXT)")
    with closing(sqlite3.connect(made)) as connection:
        connection.executemany("INSERT INTO t VALUES (?)", ((f"w{n}",) for n in range(5_000)))
        connection.commit()
        surveyed(made, tmp_path / "home")
        assert surveyed(made, tmp_path / "home").read == ()
        connection.execute("UPDATE t SET x = 'v77' WHERE x = 'w77'")
        connection.commit()
    assert surveyed(made, tmp_path / "home").read == ("t",)


def test_dropped_tables_and_columns_are_forgotten(path: Path, tmp_path: Path) -> None:
    surveyed(path, tmp_path / "home")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE place; ALTER TABLE guest DROP COLUMN name;")
    surveyed(path, tmp_path / "home")
    with closing(index_of(path, tmp_path / "home")) as index:
        assert not any(hit.value == "Portugal" for hit in index.mentions("Portugal"))
        assert not any(hit.column == "name" for hit in index.mentions("Guest Number7"))
    assert set(profiles(tmp_path / "home")) == {"guest", "stay"}


def test_an_interrupted_survey_goes_on_where_it_stopped(path: Path, tmp_path: Path) -> None:
    def stop(name: str, _number: int, _of: int) -> None:
        if name == "stay":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        surveyed(path, tmp_path / "home", watcher=Watcher(on_table=stop))
    report = surveyed(path, tmp_path / "home")
    assert report.read == ("stay",)
    with closing(index_of(path, tmp_path / "home")) as index:
        assert index.mentions("Guest Number7")[0].score == 1.0


def test_a_survey_out_of_time_leaves_the_rest_to_the_next(path: Path, tmp_path: Path) -> None:
    first = surveyed(path, tmp_path / "home", seconds=-1.0, stamp="now")
    assert (first.read, first.left) == ((), 3)
    with closing(open_database(str(path))) as database:
        assert open_index(tmp_path / "home", database.schema(), stamp="now") is None
    assert surveyed(path, tmp_path / "home", seconds=60.0, stamp="now").left == 0
    with closing(open_database(str(path))) as database:
        found = open_index(tmp_path / "home", database.schema(), stamp="now")
    assert found is not None
    found.close()


class Dropping:
    """A database in which a table is dropped just before it is read."""

    def __init__(self, inner: Database, path: Path) -> None:
        self._inner, self._path = inner, path
        self.name, self.dialect, self.execute = inner.name, inner.dialect, inner.execute
        self.values, self.close = inner.values, inner.close

    def schema(self) -> Schema:
        schema = self._inner.schema()
        with closing(sqlite3.connect(self._path)) as connection:
            connection.execute("DROP TABLE IF EXISTS place")
        return schema


def test_a_table_dropped_meanwhile_is_left_out_with_its_reason(path: Path, tmp_path: Path) -> None:
    with closing(open_database(str(path))) as database:
        report = survey(Dropping(database, path), tmp_path / "home")
    assert report.read == ("guest", "stay")
    ((table, why),) = report.failed
    assert table == "place"
    assert "cannot be read" in why


def test_huge_cells_and_mixed_types_are_survived(tmp_path: Path) -> None:
    made = make(tmp_path / "odd.sqlite", "CREATE TABLE t (big TEXT, mixed, name TEXT)")
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("INSERT INTO t VALUES (?, 1, 'first')", ("x" * 20_000_000,))
        connection.execute("INSERT INTO t VALUES ('small', 'one', 'second')")
        connection.execute("INSERT INTO t VALUES (NULL, x'00ff', 'third')")
        connection.execute("INSERT INTO t VALUES ('small', 1.5, 'fo\nurth')")
        connection.commit()
    report = surveyed(made, tmp_path / "home")
    assert report.failed == ()
    assert column(tmp_path / "home", "t.mixed").distinct >= 3
    with closing(index_of(made, tmp_path / "home")) as index:
        assert index.mentions("third")[0].value == "third"
        assert index.mentions("fo urth")[0].value == "fo\nurth"


def test_values_that_only_look_like_keys_are_joins(path: Path, tmp_path: Path) -> None:
    surveyed(path, tmp_path / "home")
    with closing(open_database(str(path))) as database:
        hints = join_hints(known_profiles(tmp_path / "home"), database.schema())
    pairs = {(h.table, h.column, h.to_table, h.to_column): h.share for h in hints}
    assert pairs["stay", "city", "place", "city"] == 1.0
    assert not any("nights" in pair for pair in pairs)


def test_a_small_database_stays_in_memory_and_a_large_one_goes_to_disk(
    path: Path, tmp_path: Path
) -> None:
    with closing(open_database(str(path))) as database:
        assert isinstance(value_index(database, tmp_path / "home"), MemoryValueIndex)
    assert not (tmp_path / "home").exists()
    with closing(sqlite3.connect(path)) as connection:
        rows = ((f"Street Number{n}",) for n in range(5_100))
        connection.executemany("INSERT INTO place (land) VALUES (?)", rows)
        connection.commit()
    with closing(open_database(str(path))) as database:
        found = value_index(database, tmp_path / "home", stamp=file_stamp(str(path)))
        assert isinstance(found, DiskValueIndex)
        assert found.mentions("in Street Number5050")[0].value == "Street Number5050"
        found.close()
        (tmp_path / "blocked").write_text("no folder")
        again = value_index(database, tmp_path / "blocked" / "home")
        assert isinstance(again, MemoryValueIndex)


def test_a_stamp_changes_with_the_file(path: Path) -> None:
    before = file_stamp(str(path))
    assert before == file_stamp(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM stay")
        connection.commit()
    assert file_stamp(str(path)) != before
    assert file_stamp("postgresql://host/name") == ""


def sentences(path: Path, folder: Path) -> tuple[Schema, Descriptions]:
    surveyed(path, folder)
    with closing(open_database(str(path))) as database:
        schema = database.schema()
    return schema, describe(schema, known_profiles(folder))


def test_descriptions_say_what_values_say(path: Path, tmp_path: Path) -> None:
    schema, found = sentences(path, tmp_path / "home")
    assert found.columns["stay", "city"].startswith("city: one of Lisbon, New York, Oslo")
    assert found.columns["guest", "password"] == "password: secret"
    assert "example.com" not in found.columns["guest", "email"]
    assert "a date by day" in found.columns["guest", "born"]
    assert found.tables["stay"].startswith("stay: 60 rows")
    table = described(schema, found).table("stay")
    assert table is not None
    assert table.comment == found.tables["stay"]


def test_descriptions_are_kept_where_somebody_edited_them(path: Path, tmp_path: Path) -> None:
    _, new = sentences(path, tmp_path / "home")
    text = write_text(new).replace('"city" = "city: one of', '"city" = "where they slept, one of')
    edited = read_text(text, name="d.toml")
    assert merged(new, new, new) == new
    result = merged(new, new, edited)
    assert result.columns["stay", "city"].startswith("where they slept")
    assert read_text(write_text(result), name="d.toml") == result


@pytest.mark.parametrize("text", ["not toml", "[t]\ncolumns = 3", "t = 1"])
def test_a_broken_file_of_descriptions_is_said(text: str) -> None:
    with pytest.raises(UsageError, match=r"d\.toml"):
        read_text(text, name="d.toml")


def test_a_comment_of_the_database_goes_before_a_description() -> None:
    from quorumsql.domain import Column, Table

    schema = Schema(
        name="s",
        tables=(Table(name="t", comment="mine", columns=(Column(name="c", comment="own"),)),),
    )
    found = described(schema, Descriptions(tables={"t": "theirs"}, columns={("t", "c"): "theirs"}))
    assert found == schema


def test_prompts_show_no_value_of_a_secret_or_of_an_address() -> None:
    from quorumsql.domain import Column, Hit, Table
    from quorumsql.prompts.inert import harmless

    columns = (
        Column(name="api_key", examples=("k-1",)),
        Column(name="contact", examples=("a@example.com", "b@example.com")),
        Column(name="city", examples=("Oslo",)),
    )
    schema = Schema(name="s", tables=(Table(name="t", columns=columns),))
    hits = [
        Hit(table="t", column=name, value=value, start=0, end=1, score=1.0, match="exact")
        for name, value in (("api_key", "k-1"), ("city", "Oslo"))
    ]
    shown, left = harmless(schema, hits)
    assert [column.examples for column in shown.tables[0].columns] == [(), (), ("Oslo",)]
    assert [hit.column for hit in left] == ["city"]


def test_an_unchanged_file_is_not_even_looked_through(path: Path, tmp_path: Path) -> None:
    stamp = file_stamp(str(path))
    first = surveyed(path, tmp_path / "home", stamp=stamp)
    told: list[str] = []
    watcher = Watcher(on_table=lambda name, _number, _of: told.append(name))
    again = surveyed(path, tmp_path / "home", stamp=stamp, watcher=watcher)
    assert (again.unchanged, again.values, told) == (first.read, first.values, [])
    surveyed(path, tmp_path / "home", stamp=stamp, private=["*.name"])
    with closing(index_of(path, tmp_path / "home")) as index:
        assert not any(hit.column == "name" for hit in index.mentions("Guest Number7"))
