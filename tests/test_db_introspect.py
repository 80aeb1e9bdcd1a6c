from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import ForeignKey, Rows, Schema
from sqlite_files import make, unchanged


def schema_of(path: Path) -> Schema:
    with closing(open_database(str(path))) as database:
        return database.schema()


@pytest.fixture
def described(tmp_path: Path, request: pytest.FixtureRequest) -> Schema:
    """The schema of the script that the test is parametrised with."""
    return schema_of(make(tmp_path / "test.db", request.param))


def kinds(schema: Schema, table: str) -> dict[str, str]:
    found = schema.table(table)
    assert found is not None
    return {column.name: column.kind for column in found.columns}


def foreign_keys(schema: Schema) -> list[tuple[str, tuple[str, ...], str, tuple[str, ...]]]:
    return [
        (k.table, k.columns, k.referred_table, k.referred_columns)
        for k in schema.foreign_keys
        if k.declared
    ]


def test_the_shop(shop: Path) -> None:
    with unchanged(shop.parent):
        schema = schema_of(shop)
    assert schema.name == "shop"
    assert schema.dialect == "sqlite"
    product = schema.table("product")
    assert product is not None
    assert [c.name for c in product.columns if c.primary_key] == ["sku", "edition"]
    group = product.column("group")
    assert group is not None
    assert (group.examples, group.nullable) == (("home", "kitchen", "other"), True)
    customer = schema.table("customer")
    assert customer is not None
    name, born = customer.column("name"), customer.column("born")
    assert name is not None and born is not None
    assert (name.type, name.kind, name.nullable) == ("VARCHAR(40)", "text", False)
    assert name.examples[:2] == ("Ana Sousa", "Bruno Dias")
    assert (born.type, born.kind) == ("DATE", "date")
    assert ("customer", ("home_city",), "city", ("id",)) in foreign_keys(schema)
    assert ("customer", ("referred_by",), "customer", ("id",)) in foreign_keys(schema)
    assert any(len(k.columns) == 2 for k in schema.foreign_keys)
    assert [t.name for t in schema.tables if t.is_view]


@pytest.mark.parametrize(
    "described",
    [
        """
        CREATE TABLE t (
            a, b VARCHAR(20), c number, d bool, e int(11), f "", g "my own type (3, x)",
            h DATETIME(6), i DECIMAL(10,2), j JSON, k LONGBLOB, l character varchar(4),
            m INTEGER(3), n TEXT(20), o FLOAT(10,2), p [time stamp], q 日付
        );
        """
    ],
    indirect=True,
)
def test_types_are_kept_as_written_and_warn_of_nothing(described: Schema) -> None:
    (table,) = described.tables
    assert [c.type for c in table.columns] == [
        *("", "VARCHAR(20)", "number", "bool", "int(11)", "", "my own type (3, x)"),
        *("DATETIME(6)", "DECIMAL(10,2)", "JSON", "LONGBLOB", "character varchar(4)"),
        *("INTEGER(3)", "TEXT(20)", "FLOAT(10,2)", "time stamp", "日付"),
    ]
    assert "".join(c.kind[0] for c in table.columns) == "ttnbnttdntotntndt"


@pytest.mark.parametrize(
    "described",
    [
        """
        CREATE TABLE "my table" ("first name" TEXT, "a""b" INT, [select] INT, `tick``` INT);
        CREATE TABLE "a""b;c" ("x'y" TEXT DEFAULT 'it''s');
        CREATE TABLE "select" ("from" TEXT);
        CREATE TABLE 顧客 (名前 TEXT, "электропочта" TEXT, "größe" REAL);
        CREATE VIEW "my view" AS SELECT "first name" AS "the name" FROM "my table";
        INSERT INTO "my table" VALUES ('Ana', 1, 2, 3);
        INSERT INTO 顧客 VALUES ('山田', 'a@b', 1.5);
        """
    ],
    indirect=True,
)
def test_any_name_will_do(described: Schema) -> None:
    columns = {t.name: [c.name for c in t.columns] for t in described.tables}
    assert columns == {
        "my table": ["first name", 'a"b', "select", "tick`"],
        'a"b;c': ["x'y"],
        "select": ["from"],
        "顧客": ["名前", "электропочта", "größe"],
        "my view": ["the name"],
    }
    view, customers = described.table("my view"), described.table("顧客")
    assert view is not None and customers is not None
    assert view.is_view
    assert view.columns[0].examples == ("Ana",)
    assert [c.examples for c in customers.columns] == [("山田",), ("a@b",), (1.5,)]


@pytest.mark.parametrize(
    "described",
    [
        """
        CREATE TABLE parent (a INT, b INT, c INT, PRIMARY KEY (b, a));
        CREATE TABLE child (
            id INTEGER PRIMARY KEY, x INT, y INT, z INT REFERENCES PARENT,
            w INT REFERENCES gone (id), v INT REFERENCES parent (nope),
            FOREIGN KEY (x, y) REFERENCES Parent (B, A),
            FOREIGN KEY (x, y) REFERENCES parent (b, a)
        );
        CREATE TABLE single (id INTEGER PRIMARY KEY);
        CREATE TABLE implied (single_ref INT REFERENCES single, FOREIGN KEY (single_ref)
            REFERENCES single (id));
        """
    ],
    indirect=True,
)
def test_declared_keys_are_sound_and_each_is_there_once(described: Schema) -> None:
    assert sorted(foreign_keys(described)) == [
        ("child", ("x", "y"), "parent", ("b", "a")),
        ("implied", ("single_ref",), "single", ("id",)),
    ]


@pytest.mark.parametrize(
    "described",
    [
        """
        CREATE TABLE a (id INTEGER PRIMARY KEY, price REAL, double REAL AS (price * 2) STORED);
        CREATE TABLE kept (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID;
        CREATE VIRTUAL TABLE docs USING fts5 (title, body);
        CREATE VIRTUAL TABLE places USING rtree (id, x0, x1);
        INSERT INTO a (price) VALUES (1.5);
        INSERT INTO docs VALUES ('hello', 'world');
        INSERT INTO places VALUES (1, 2, 3);
        """
    ],
    indirect=True,
)
def test_unusual_tables(described: Schema) -> None:
    assert [t.name for t in described.tables] == ["a", "docs", "kept", "places"]
    generated = described.tables[0].column("double")
    assert generated is not None
    assert generated.examples == (3.0,)
    docs = described.table("docs")
    assert docs is not None
    assert [(c.name, c.examples) for c in docs.columns][:2] == [
        ("title", ("hello",)),
        ("body", ("world",)),
    ]


@pytest.mark.parametrize(
    "described",
    [
        """
        CREATE TABLE base (a INT); INSERT INTO base VALUES (1);
        CREATE VIEW good AS SELECT a FROM base;
        CREATE TABLE dropped (a INT);
        CREATE VIEW broken AS SELECT a FROM dropped;
        DROP TABLE dropped;
        """
    ],
    indirect=True,
)
def test_a_view_over_a_dropped_table_hides_nothing_else(described: Schema) -> None:
    assert [t.name for t in described.tables] == ["base", "good"]
    assert all(t.columns[0].examples == (1,) for t in described.tables)


@pytest.mark.parametrize(
    "described",
    [
        """
        CREATE TABLE t (born TEXT, amount VARCHAR(9), code TEXT, free TEXT, flag bool, n);
        INSERT INTO t VALUES ('2010-01-02', '12.5', '01234', 'x', 1, NULL);
        INSERT INTO t VALUES ('2011-11-12', '3', '99', '', 0, NULL);
        INSERT INTO t VALUES (NULL, '', '5', NULL, NULL, NULL);
        """
    ],
    indirect=True,
)
def test_kinds_follow_the_values(described: Schema) -> None:
    assert kinds(described, "t") == {
        "born": "date",
        "amount": "number",
        "code": "text",
        "free": "text",
        "flag": "boolean",
        "n": "text",
    }


def test_examples_are_the_first_distinct_values(tmp_path: Path) -> None:
    path = make(
        tmp_path / "test.db",
        "CREATE TABLE t (a TEXT, long TEXT, blob BLOB);"
        "CREATE INDEX i ON t (a);"
        "INSERT INTO t SELECT substr('zzyyxxwwvvuu', value, 1), printf('%0200d', value), x'00'"
        "  FROM (WITH RECURSIVE r(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM r"
        "  LIMIT 12) SELECT value FROM r);",
    )
    schema = schema_of(path)
    assert [c.examples for c in schema.tables[0].columns] == [tuple("zyxwv"), (), ()]
    assert schema == schema_of(path)


def test_a_huge_table_is_not_scanned_for_examples(tmp_path: Path) -> None:
    path = make(
        tmp_path / "test.db",
        "CREATE TABLE t (a INT);"
        "INSERT INTO t WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r"
        "  LIMIT 100000) SELECT NULL FROM r;"
        "INSERT INTO t VALUES (5);"
        "CREATE VIEW slow AS SELECT COUNT(*) AS n FROM t a, t b, t c;",
    )
    schema = schema_of(path)  # the view would take hours
    assert [c.examples for t in schema.tables for c in t.columns] == [(), ()]


def test_huge_cells_are_skipped_and_their_neighbours_kept(tmp_path: Path) -> None:
    path = make(
        tmp_path / "test.db",
        "CREATE TABLE t (id INT, body TEXT, photo BLOB);"
        "INSERT INTO t VALUES (1, printf('%.*c', 5000000, 'x'), zeroblob(30000000));"
        "INSERT INTO t VALUES (2, 'short', zeroblob(30000000));",
    )
    (table,) = schema_of(path).tables
    assert table.columns[0].examples == (1,)  # the first row alone uses up the bytes
    assert [c.kind for c in table.columns] == ["number", "text", "other"]


def test_text_that_is_not_utf8_never_fails(tmp_path: Path) -> None:
    path = make(
        tmp_path / "test.db",
        "CREATE TABLE t (a TEXT); INSERT INTO t VALUES (CAST(x'4DFC6C6C' AS TEXT));",
    )
    with closing(open_database(str(path))) as database:
        assert database.schema().tables[0].columns[0].examples == ("M\N{REPLACEMENT CHARACTER}ll",)
        found = database.execute("SELECT a FROM t")
        assert found == Rows(columns=("a",), rows=(("M\N{REPLACEMENT CHARACTER}ll",),))


def test_a_table_of_two_thousand_columns(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(2000)]
    path = make(
        tmp_path / "wide.db",
        f"CREATE TABLE wide ({', '.join(names)});"
        f"INSERT INTO wide VALUES ({', '.join(map(str, range(2000)))});",
    )
    with closing(open_database(str(path))) as database:
        (table,) = database.schema().tables
        assert len(table.columns) == 2000
        assert table.columns[1999].examples == (1999,)
        found = database.execute("SELECT * FROM wide")
        assert isinstance(found, Rows)
        assert len(found.rows[0]) == 2000


def test_the_schema_is_read_once(shop: Path) -> None:
    with closing(open_database(str(shop))) as database:
        assert database.schema() is database.schema()


def test_inferred_keys_come_after_declared_ones(tmp_path: Path) -> None:
    path = make(
        tmp_path / "test.db",
        "CREATE TABLE city (city_id INTEGER PRIMARY KEY);"
        "CREATE TABLE a (city_id INT);"
        "CREATE TABLE b (c INT REFERENCES city);",
    )
    assert schema_of(path).foreign_keys == (
        ForeignKey(table="b", columns=("c",), referred_table="city", referred_columns=("city_id",)),
        ForeignKey(
            table="a",
            columns=("city_id",),
            referred_table="city",
            referred_columns=("city_id",),
            declared=False,
        ),
    )


def test_every_spider_database_is_read(spider_dir: Path) -> None:
    paths = sorted((spider_dir / "database").glob("*/*.sqlite"))
    assert len(paths) == 166
    for path in paths:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as plain:
            plain.text_factory = bytes
            (tables,) = plain.execute(
                "SELECT COUNT(*) FROM sqlite_master WHERE type IN ('table', 'view')"
                " AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
            ).fetchone()
        schema = schema_of(path)
        assert len(schema.tables) == tables, path
        assert all(t.columns for t in schema.tables), path
