"""SQL in one plain form: what means the same reads the same."""

from __future__ import annotations

import pytest

from quorumsql.domain import Column, Failure, ForeignKey, Rows, Schema, Table
from quorumsql.neural.retell import Names, retell, tell_left_out, tell_result

NAMES = Names(
    Schema(
        name="music",
        tables=(
            Table(name="singer", columns=(Column(name="Singer_ID"), Column(name="Song_Name"))),
            Table(name="concert", columns=(Column(name="id"), Column(name="singer_id"))),
        ),
        foreign_keys=(
            ForeignKey(
                table="concert",
                columns=("singer_id",),
                referred_table="singer",
                referred_columns=("Singer_ID",),
            ),
        ),
    )
)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT T1.Song_Name AS s FROM singer AS T1;", "select song name from singer"),
        ('select "song_name" from "singer"', "select song name from singer"),
        (
            "SELECT s.Song_Name FROM singer s JOIN concert c ON s.Singer_ID = c.singer_id",
            "select singer song name from concert, singer",
        ),
        (
            "SELECT singer.Song_Name FROM concert "
            "JOIN singer ON concert.singer_id = singer.Singer_ID",
            "select singer song name from concert, singer",
        ),
        (
            "SELECT Song_Name FROM singer JOIN concert ON singer.Singer_ID = concert.id",
            "select singer song name from singer join concert on concert id = singer singer id",
        ),
        (
            "SELECT * FROM singer LEFT JOIN concert ON singer.Singer_ID = concert.singer_id",
            "select * from singer left join concert on concert singer id = singer singer id",
        ),
        ('SELECT id FROM concert WHERE id = "Oslo"', "select id from concert where id = 'oslo'"),
        ("select SONG_name from SINGER", "select song name from singer"),
        ("SELECT id FROM concert ORDER BY id ASC", "select id from concert order by id"),
        ("SELECT (1;", "select (1"),
    ],
)
def test_sql_is_retold(sql: str, told: str) -> None:
    assert retell(sql, NAMES) == told


def test_results_are_told_in_short() -> None:
    rows = Rows(columns=("a", "b"), rows=((1, None), (2.123456, "long " * 9), (3, "x"), (4, "y")))
    assert tell_result(rows) == "2 columns, 4 rows | 1, null | 2.123, long long long lon | 3, x"
    assert tell_result(Rows(columns=("a",), rows=((1,),) * 300)).startswith(
        "1 columns, over 100 rows"
    )
    assert tell_result(Failure(kind="timeout", message="x")) == "failed: timeout"
    assert tell_result(None) == "not run"


def test_columns_left_out_are_told_those_that_the_question_names_first() -> None:
    asked = NAMES.asked("Which songs does each singer sing?")
    assert asked == [("singer", "singer id"), ("singer", "song name"), ("concert", "singer id")]
    told = retell("SELECT Singer_ID FROM singer", NAMES)
    assert tell_left_out(told, asked, NAMES) == "singer: song name"
    told = retell("SELECT song_name FROM singer JOIN concert ON 1 = 1", NAMES)
    assert tell_left_out(told, [], NAMES) == "singer: singer id; concert: id, singer id"


def test_of_a_word_in_many_tables_those_count_that_the_question_names_best() -> None:
    columns = (Column(name="id"), Column(name="height"))
    tables = tuple(
        Table(name=f"{of}_{what}", columns=columns)
        for what in ("order", "review", "visit")
        for of in ("customer", "supplier", "album", "court", "crop", "lamp", "ship", "team")
    )
    names = Names(Schema(name="many", tables=tables))
    assert names.asked("The height of all customer orders?") == [("customer order", "height")]
    of_orders = [table for table, _ in names.asked("The height of all orders?")]
    assert of_orders == sorted(of_orders)
    assert len(of_orders) == 8
    assert len(names.asked("Which height is most common?")) == 24
