"""Data files as databases: every kind, every odd layout, kept once, and nothing lost in silence."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from command import quorum
from quorumsql.db import open_database
from quorumsql.db.files import FilesDatabase
from quorumsql.domain import Failure, ForeignKey, Row, Rows, Schema
from quorumsql.errors import DatabaseError, MissingExtra
from workbook import write_workbook

LARGE_ROWS = 700_000
"""About 40 MB of text."""


def text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


def parquet(path: Path, query: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(duckdb.connect()) as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


def read(path: Path, home: Path | None = None) -> tuple[Schema, dict[str, tuple[Row, ...]]]:
    """The schema of what is at `path`, and the rows of each table."""
    with closing(FilesDatabase(path, home=home)) as database:
        schema = database.schema()
        rows: dict[str, tuple[Row, ...]] = {}
        for table in schema.tables:
            found = database.execute(f'SELECT * FROM "{table.name}"')
            assert isinstance(found, Rows), found
            rows[table.name] = found.rows
        return schema, rows


def types(schema: Schema) -> dict[str, str]:
    return {column.name: column.type for table in schema.tables for column in table.columns}


def test_types_are_those_of_all_values_and_cost_no_digit(tmp_path: Path) -> None:
    schema, rows = read(
        text(
            tmp_path / "sales.csv",
            "id,zip,amount,day,time,seen,ok,note,serial,price\n"
            '1,02134,1.5,2024-01-02,10:30,2024-01-02 03:04:05,true,"a, b",'
            '12345678901234567890,"1,200.50"\n'
            "2,10001,NA,2024-02-03,11:00:05,2024-01-02T03:04:05,FALSE,NA,12345678901234567891,30\n"
            '3,99999,,,,,,"",1,4\n',
        )
    )
    assert types(schema) == {
        "id": "BIGINT",
        "zip": "VARCHAR",
        "amount": "DOUBLE",
        "day": "DATE",
        "time": "TIME",
        "seen": "TIMESTAMP",
        "ok": "BOOLEAN",
        "note": "VARCHAR",
        "serial": "HUGEINT",
        "price": "DOUBLE",
    }
    first, second, third = rows["sales"]
    assert first[1:4] == ("02134", 1.5, dt.date(2024, 1, 2))
    assert first[8:] == (12345678901234567890, 1200.5)
    assert (second[2], second[7]) == (None, "NA")
    assert third[2:8] == (None, None, None, None, None, "")


def test_a_late_value_decides_the_type_too(tmp_path: Path) -> None:
    lines = "".join(f"{n},{n}\n" for n in range(30_000))
    schema, rows = read(text(tmp_path / "late.csv", f"a,b\n{lines}30000,007\n"))
    assert types(schema) == {"a": "BIGINT", "b": "VARCHAR"}
    assert rows["late"] and len(rows["late"]) == 10_000  # the cap on rows


def test_dates_are_dates_unless_they_could_be_two(tmp_path: Path) -> None:
    cases = {
        "a": (("31/12/2023", "01/02/2024"), "DATE"),
        "b": (("12/31/2023", "01/02/2024"), "DATE"),
        "c": (("01/02/2024", "03/04/2024"), "VARCHAR"),
        "d": (("31.12.2023", "1.2.2024"), "DATE"),
        "e": (("2023-02-30", "2023-01-01"), "VARCHAR"),
    }
    for name, (days, _) in cases.items():
        text(tmp_path / f"{name}.csv", "day,n\n" + "".join(f"{day},1\n" for day in days))
    schema, rows = read(tmp_path)
    found = {table.name: table.columns[0].type for table in schema.tables}
    assert found == {name: type_ for name, (_, type_) in cases.items()}
    assert rows["b"][0] == (dt.date(2023, 12, 31), 1)


def test_headers_and_separators(tmp_path: Path) -> None:
    cases = [
        ("a,b\n1,2\n", ["a", "b"]),
        ("a;b\n1,5;2,5\n", ["a", "b"]),
        ("a\tb\n1\t2\n", ["a", "b"]),
        ("a|b\n1|2\n", ["a", "b"]),
        ("name\nana\n", ["name"]),
        ("1,2\n3,4\n", ["column1", "column2"]),
        ("name,city\nana,Lisbon\n", ["name", "city"]),
        ("a,a,,b c,total (€),A\n1,2,3,4,5,6\n", ["a", "a_2", "column3", "b c", "total (€)", "A_3"]),
        ("region,2019,2020\nx,1,2\n", ["region", "2019", "2020"]),
        ('"a\nb",c\n1,2\n', ["a b", "c"]),
        ("\ufeffa,b\r\n1,2\r\n", ["a", "b"]),
        ("a,b,c\n1,2\n3,4\n", ["a", "b", "c"]),
    ]
    for number, (content, _) in enumerate(cases):
        text(tmp_path / f"case{number:02}.csv", content)
    schema, _ = read(tmp_path)
    found = {table.name: [c.name for c in table.columns] for table in schema.tables}
    assert [found[f"case{number:02}"] for number in range(len(cases))] == [c for _, c in cases]


def test_a_decimal_comma_is_understood(tmp_path: Path) -> None:
    _, rows = read(text(tmp_path / "eu.csv", "x;y\n1,5;1.234,5\n2;7\n"))
    assert rows["eu"] == ((1.5, 1234.5), (2.0, 7.0))


def test_encodings(tmp_path: Path) -> None:
    comments = {
        "utf-8": "",
        "utf-8-sig": "",
        "utf-16": "Read as utf-16.",
        "cp1252": "Read as windows-1252.",
    }
    for encoding in comments:
        text(tmp_path / f"{encoding}.csv", "name,n\nJosé,1\nMünchen,2\n", encoding)
    schema, rows = read(tmp_path)
    assert list(rows.values()) == [(("José", 1), ("München", 2))] * 4
    found = {table.name: table.comment for table in schema.tables}
    assert found == {name.replace("-", "_"): comment for name, comment in comments.items()}


def test_an_encoding_that_shows_late_is_found_too(tmp_path: Path) -> None:
    content = "name,n\n" + "ana,1\n" * 60_000 + "José,2\n"
    path = text(tmp_path / "late.csv", content, "cp1252")
    with closing(FilesDatabase(path)) as database:
        found = database.execute("SELECT name FROM late WHERE n = 2")
        assert found == Rows(columns=("name",), rows=(("José",),))


def test_mixed_line_ends_packed_files_and_short_rows(tmp_path: Path) -> None:
    text(tmp_path / "m.csv", "a,b\r\n1,2\n3,4\r\n")
    (tmp_path / "z.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    text(tmp_path / "s.csv", 'a,b,c\n1,"x\ny",3\n4,z\n')
    schema, rows = read(tmp_path)
    assert rows["m"] == ((1, 2), (3, 4))
    assert rows["z"] == ((1, 2),)
    assert rows["s"] == ((1, "x\ny", 3), (4, "z", None))
    comments = {table.name: table.comment for table in schema.tables}
    assert comments["s"] == "Some rows are shorter than the header: the rest is NULL."
    assert comments["m"] == comments["z"] == ""


def test_a_title_above_the_table_becomes_its_comment(tmp_path: Path) -> None:
    schema, rows = read(text(tmp_path / "t.csv", "Sales of May\n\nid,n\n1,2\n"))
    assert rows["t"] == ((1, 2),)
    assert schema.tables[0].comment == "Above the table stands: Sales of May."


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("long.csv", b"a,b\n1,2\n3,sesame,5\n", "row 3 has 3 values where the header has 2"),
        ("quote.csv", b'a,b\n1,2\n2,"sesame\n3,4\n', "row 3 has a quote that is never closed"),
        ("wide.csv", b"a,b\n1," + b"x" * 3_000_000 + b"\n", "row 2 is longer than 2 MB"),
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n\n\n", "is empty"),
        ("binary.csv", bytes(range(256)) * 20, "binary data"),
        ("cut.json", b'[{"a": 1}, {"a": "sesame"', "line 1 is no valid JSON"),
        ("bad.jsonl", b'{"a": 1}\n{"a": sesame}\n', "line 2 is no valid JSON"),
        ("empty.json", b"", "is empty"),
        ("cut.parquet", b"PAR1" + bytes(500), "cut short"),
        ("empty.parquet", b"", "cut short"),
        ("cut.xlsx", b"PK\x03\x04" + bytes(100), "cannot be read"),
        ("no.xlsx", b"a,b\n1,2\n", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_file_and_row(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatabaseError) as raised:
        FilesDatabase(tmp_path / name)
    message = str(raised.value)
    assert said in message
    assert name in message
    assert "\n" not in message
    assert "sesame" not in message
    assert len(message) < 300


def test_a_parquet_file_cut_short_says_so(tmp_path: Path) -> None:
    path = parquet(tmp_path / "whole.parquet", "SELECT range AS i FROM range(100000)")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DatabaseError, match=r"whole\.parquet .*cut short"):
        FilesDatabase(path)


def test_json_of_every_form(tmp_path: Path) -> None:
    nested = {"id": 1, "place": {"city": "Lisbon", "at": {"x": 1.5}}, "tags": ["a", "b"]}
    files = {
        "lines.jsonl": '{"id": 1, "d": "2024-01-02"}\n{"id": 2, "more": "x"}\n',
        "array.json": '[{"id": 1}, {"id": 2}]',
        "wrapped.json": '{"data": [{"id": 1, "zip": "02134"}, {"id": 2, "zip": "1"}]}',
        "nested.json": json.dumps([nested]),
    }
    for name, content in files.items():
        text(tmp_path / name, content)
    _, rows = read(tmp_path)
    assert rows["lines"] == ((1, dt.date(2024, 1, 2), None), (2, None, "x"))
    assert rows["array"] == ((1,), (2,))
    assert rows["wrapped"] == ((1, "02134"), (2, "1"))
    assert rows["nested"] == ((1, "Lisbon", 1.5, ["a", "b"]),)
    schema, _ = read(tmp_path / "nested.json")
    names = [column.name for column in schema.tables[0].columns]
    assert names == ["id", "place_city", "place_at_x", "tags"]


def test_a_workbook_is_a_table_per_sheet(tmp_path: Path) -> None:
    path = write_workbook(
        tmp_path / "budget 2024.xlsx",
        {
            "Costs & more": [
                ["Budget"],
                [],
                ["id", "day", "zip", "amount", "paid", "share"],
                [1, dt.date(2024, 1, 2), "02134", 1.5, True, "#N/A"],
                [2, dt.date(2024, 1, 3), 'say "x", y', 2, False, 3],
            ],
            "Nothing": [],
            "People": [["name"], ["ana"], ["=1+1"], ["bob"]],
        },
    )
    schema, rows = read(path)
    assert schema.name == "budget_2024"
    assert [table.name for table in schema.tables] == ["Costs_more", "People"]
    assert schema.tables[0].comment == "Above the table stands: Budget."
    assert rows["Costs_more"] == (
        (1, dt.date(2024, 1, 2), "02134", 1.5, True, None),
        (2, dt.date(2024, 1, 3), 'say "x", y', 2.0, False, 3),
    )
    assert rows["People"] == (("ana",), ("=1+1",), ("bob",))


def test_a_folder_is_a_database_with_keys(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    text(folder / "customers.csv", "id,name\n1,ana\n2,bob\n")
    text(folder / "orders.jsonl", '{"order_id": 1, "customer_id": 1, "total": 2.5}\n')
    parquet(folder / "items.parquet", "SELECT 1 AS order_id, 'pen' AS what")
    parquet(folder / "visits" / "day=2024-01-02" / "part-0.parquet", "SELECT 1 AS customer_id")
    parquet(folder / "visits" / "day=2024-01-03" / "part-0.parquet", "SELECT 2 AS customer_id")
    write_workbook(folder / "staff.xlsx", {"Sheet1": [["name"], ["eve"]]})
    for ignored in (".hidden.csv", "_SUCCESS", "readme.txt", "notes.md", "~$staff.xlsx"):
        text(folder / ignored, "x")
    schema, rows = read(folder)
    assert schema.name == "shop"
    names = ["customers", "items", "orders", "staff", "visits"]
    assert sorted(table.name for table in schema.tables) == names
    assert not any(table.is_view for table in schema.tables)
    assert sorted(rows["visits"], key=str) == [
        (1, dt.date(2024, 1, 2)),
        (2, dt.date(2024, 1, 3)),
    ]
    keys = {(k.table, k.columns, k.referred_table, k.referred_columns) for k in schema.foreign_keys}
    assert ("orders", ("customer_id",), "customers", ("id",)) in keys
    assert ("items", ("order_id",), "orders", ("order_id",)) in keys


def test_names_need_no_quotes_and_are_unique(tmp_path: Path) -> None:
    for name in ("2024 sales (new).csv", "2024-sales-new.csv", "Größe.csv", "[x]*1.csv", "!.csv"):
        text(tmp_path / name, "a,b\n1,2\n")
    schema, rows = read(tmp_path)
    assert sorted(table.name for table in schema.tables) == [
        "Größe",
        "data",
        "t_2024_sales_new",
        "t_2024_sales_new_2",
        "x_1",
    ]
    assert all(found == ((1, 2),) for found in rows.values())


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    path, home = text(tmp_path / "t.csv", "a,b\n1,2\n"), tmp_path / "home"
    with closing(FilesDatabase(path, home=home)) as database:
        (store,) = home.iterdir()
        made = store.stat().st_mtime_ns
        assert [c.name for c in database.schema().tables[0].columns] == ["a", "b"]
        with closing(FilesDatabase(path, home=home)):
            assert store.stat().st_mtime_ns == made
        text(path, "a,b,c\n1,2,3\n4,5,6\n")
        assert [c.name for c in database.schema().tables[0].columns] == ["a", "b", "c"]
        found = database.execute("SELECT count(*) AS n FROM t")
        assert found == Rows(columns=("n",), rows=((2,),))
        assert len(list(home.iterdir())) == 1
        path.unlink()
        with pytest.raises(DatabaseError, match=r"No file at .*t\.csv"):
            database.execute("SELECT 1")


def test_a_lost_store_is_made_again_and_an_unwritable_home_is_done_without(tmp_path: Path) -> None:
    path, home = text(tmp_path / "t.csv", "a\n1\n"), tmp_path / "home"
    with closing(FilesDatabase(path, home=home)) as database:
        (store,) = home.iterdir()
        store.unlink()
        assert database.execute("SELECT a FROM t") == Rows(columns=("a",), rows=((1,),))
    text(tmp_path / "taken", "no folder")
    with closing(FilesDatabase(path, home=tmp_path / "taken" / "home")) as database:
        assert database.execute("SELECT a FROM t") == Rows(columns=("a",), rows=((1,),))


def test_a_pattern_names_several_files(tmp_path: Path) -> None:
    for name in ("sales_1.csv", "sales_2.csv", "other.csv"):
        text(tmp_path / name, "a\n1\n")
    with closing(open_database(f"{tmp_path}/sales_*.csv")) as database:
        assert [table.name for table in database.schema().tables] == ["sales_1", "sales_2"]
    with pytest.raises(DatabaseError, match="No file is named like"):
        open_database(f"{tmp_path}/none_*.csv")


def test_what_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with pytest.raises(DatabaseError):
        FilesDatabase(text(tmp_path / "t.csv", "a,b\n1,2,3\n"), home=home)
    assert list(home.iterdir()) == []


def test_no_byte_of_the_files_changes(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    text(folder / "a.csv", "a,b\n1,2\n")
    parquet(folder / "b.parquet", "SELECT 1 AS a")

    def hashes() -> dict[str, str]:
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}

    before = hashes()
    with closing(open_database(str(folder), home=tmp_path / "home")) as database:
        database.schema()
        for sql in ("DELETE FROM a", f"COPY a TO '{folder}/b.parquet'", "DROP TABLE b"):
            assert isinstance(database.execute(sql), Failure)
    assert hashes() == before


def test_only_what_was_opened_can_be_read(tmp_path: Path) -> None:
    opened = text(tmp_path / "open.csv", "a\n1\n")
    secret = text(tmp_path / "secret.csv", "a\nsesame\n")
    with closing(FilesDatabase(opened)) as database:
        for sql in (f"SELECT * FROM '{secret}'", f"SELECT * FROM read_csv('{secret}')"):
            found = database.execute(sql)
            assert isinstance(found, Failure)
            assert found.kind == "refused"


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    text(tmp_path / "sales.csv", "a\n1\n")
    with pytest.raises(DatabaseError, match=r"No file at .*Did you mean 'sales\.csv'"):
        open_database(str(tmp_path / "sale.csv"))
    (tmp_path / "void").mkdir()
    with pytest.raises(DatabaseError, match="holds no file that can be read"):
        open_database(str(tmp_path / "void"))


def test_without_calamine_the_command_to_run_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_workbook(tmp_path / "t.xlsx", {"One": [["a"], [1]]})
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MissingExtra, match=r"pip install 'quorumsql\[excel\]'"):
        FilesDatabase(path)


def test_a_large_file_is_read_in_little_memory_and_tells_how_far_it_is(tmp_path: Path) -> None:
    """The process that reads has the same memory for every file; this one does not grow."""
    import resource

    path = tmp_path / "large.csv"
    with path.open("w", encoding="utf-8") as out:
        out.write("id,name,amount,day\n")
        for n in range(0, LARGE_ROWS, 100):
            out.writelines(
                f"{m},customer number {m},{m % 1000}.25,2024-01-{m % 28 + 1:02}\n"
                for m in range(n, n + 100)
            )
    told: list[tuple[str, float]] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with closing(FilesDatabase(path, tell=lambda *one: told.append(one))) as database:
        found = database.execute("SELECT count(*), sum(amount), max(day) FROM large")
        assert isinstance(found, Rows)
        assert found.rows[0][0] == LARGE_ROWS
        assert {c.name: c.type for c in database.schema().tables[0].columns} == {
            "id": "BIGINT",
            "name": "VARCHAR",
            "amount": "DOUBLE",
            "day": "DATE",
        }
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 20 * 1024  # kilobytes, of this process
    assert all(name == "large.csv" for name, _ in told)


def test_commands_take_files(tmp_path: Path) -> None:
    parquet(tmp_path / "sales.parquet", "SELECT 'Lisbon' AS city, range AS amount FROM range(5)")
    shown = quorum("schema", "--db", "sales.parquet", cwd=tmp_path)
    assert shown.returncode == 0, shown
    assert "# Table: sales" in shown.stdout
    ran = quorum("sql", "--db", "sales.parquet", "SELECT sum(amount) AS s FROM sales", cwd=tmp_path)
    assert ran.returncode == 0, ran
    assert "10" in ran.stdout
    asked = quorum(
        "ask", "--db", "sales.parquet", "--json", "How many sales are there?", cwd=tmp_path
    )
    assert json.loads(asked.stdout)["rows"] == [[5]]


def test_keys_between_files_are_not_declared(tmp_path: Path) -> None:
    text(tmp_path / "team.csv", "team_id,name\n1,x\n")
    text(tmp_path / "game.csv", "game_id,home_team_id\n1,1\n")
    schema, _ = read(tmp_path)
    assert schema.foreign_keys == (
        ForeignKey(
            table="game",
            columns=("home_team_id",),
            referred_table="team",
            referred_columns=("team_id",),
            declared=False,
        ),
    )
