"""Permissions: what patterns mean, what statements become, and what a door shows of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from command import quorum
from quorumsql.api import connect
from quorumsql.config import load_settings
from quorumsql.domain import Column, Failure, Rows, Schema, Table
from quorumsql.errors import ConfigError
from quorumsql.guard.access import Access, access
from quorumsql.guard.restrict import restrict
from quorumsql.permissions import Names, Permissions, matches

SCRIPT = """
CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT, city TEXT, salary INTEGER, phone TEXT);
INSERT INTO staff VALUES (1, 'Ann', 'Rome', 917001, '555-1'), (2, 'Bob', 'Oslo', 917002, '555-2');
CREATE TABLE orders (id INTEGER PRIMARY KEY, staff_id INTEGER REFERENCES staff (id), item TEXT);
INSERT INTO orders VALUES (1, 1, 'lamp'), (2, 2, 'desk');
CREATE TABLE secret (word TEXT);
INSERT INTO secret VALUES ('xyzzy');
CREATE VIEW everybody AS SELECT * FROM staff;
CREATE VIEW romans (nr, who) AS SELECT id, name FROM staff WHERE city = 'Rome';
CREATE VIEW lamps AS SELECT o.id, r.who FROM orders o JOIN romans r ON r.nr = o.staff_id;
CREATE VIEW items AS SELECT item FROM orders;
"""


@pytest.fixture
def company(tmp_path: Path) -> Path:
    path = tmp_path / "company.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT)
    return path


@pytest.fixture
def schema(company: Path) -> Schema:
    with connect(str(company)) as opened:
        return opened.schema


def shown(may: Access) -> Mapping[str, list[str]]:
    return {t.name: [c.name for c in t.columns] for t in may.visible().tables}


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("staff", ("main", "staff"), True),
        ("STAFF", ("main", "staff"), True),
        ("main.staff", ("main", "staff"), True),
        ("hr.staff", ("main", "staff"), False),
        ("st*", ("main", "staff"), True),
        ("*", ("main", "staff"), True),
        ("staf", ("main", "staff"), False),
        ("staff.salary", ("main", "staff", "salary"), True),
        ("*.salary", ("main", "staff", "salary"), True),
        ("main.staff.*", ("main", "staff", "salary"), True),
        ('"st*"', ("main", "staff"), False),
        ('"a.b".c', ("main", "a.b", "c"), True),
        ("a.b.c", ("main", "a.b", "c"), False),
        ("st.ff", ("main", "staff"), False),
        ("st?ff", ("main", "staff"), False),
    ],
)
def test_patterns(pattern: str, path: tuple[str, ...], covered: bool) -> None:
    assert matches((pattern,), path) is covered


@pytest.mark.parametrize(
    "given",
    [
        {"masks": {"phone": "NULL"}},
        {"masks": {"staff.phone": " "}},
        {"rows": {"": "1 = 1"}},
    ],
)
def test_patterns_that_mean_nothing_are_refused(given: Mapping[str, object]) -> None:
    with pytest.raises(ConfigError, match="permissions"):
        Permissions(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "names", [{"columns": ("salary",)}, {"schemas": ("a.b",)}, {"tables": ("a.b.c",)}]
)
def test_names_have_the_right_number_of_parts(names: Mapping[str, tuple[str, ...]]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        Names(**names)


@pytest.mark.parametrize(
    "permissions",
    [
        Permissions(deny=Names(tables=("salarys",))),
        Permissions(deny=Names(columns=("staff.salery",))),
        Permissions(deny=Names(schemas=("hr",))),
        Permissions(rows={"stuff": "1 = 1"}),
        Permissions(masks={"staff.fone": "NULL"}),
    ],
)
def test_a_slip_that_would_protect_nothing_is_an_error(
    schema: Schema, permissions: Permissions
) -> None:
    with pytest.raises(ConfigError, match="does not have"):
        access(schema, permissions)


def test_a_pattern_with_a_star_need_not_match(schema: Schema) -> None:
    access(schema, Permissions(deny=Names(tables=("audit_*",), columns=("*.password",))))


@pytest.mark.parametrize("text", ["city = ", "1) OR (1", "SELECT 1; SELECT 2", "a; b"])
def test_a_condition_that_is_none_is_an_error(schema: Schema, text: str) -> None:
    with pytest.raises(ConfigError, match=r"rows\.staff"):
        access(schema, Permissions(rows={"staff": text}))


def test_allow_is_all_that_may_be_read(schema: Schema) -> None:
    may = access(schema, Permissions(allow=Names(tables=("orders",), columns=("staff.name",))))
    assert shown(may) == {"orders": ["id", "staff_id", "item"], "staff": ["name"]}
    assert may.visible().foreign_keys == ()


def test_deny_wins(schema: Schema) -> None:
    may = access(
        schema,
        Permissions(allow=Names(schemas=("main",)), deny=Names(columns=("staff.salary",))),
    )
    assert "salary" not in shown(may)["staff"]
    assert "everybody" not in shown(may), "its star reads the salary"
    assert shown(may)["romans"] == ["nr", "who"], "it does not"


def chained(count: int, last: str) -> Schema:
    """Views that join the next one to itself, the dependent ones first; `last` comes after all."""
    table = Table(name="t", columns=(Column(name="a"), Column(name="b")))
    names = [*(f"v{number:02}" for number in range(count)), last]
    views = (
        Table(
            name=name,
            columns=(Column(name="a"),),
            is_view=True,
            definition=f"CREATE VIEW {name} AS SELECT x.a FROM {of} x JOIN {of} y ON x.a = y.a",
        )
        for name, of in pairwise(names)
    )
    return Schema(name="x", tables=(*views, table))


def test_views_of_views_are_looked_into_once() -> None:
    """With 2 look-ups for each view of a chain, 40 would take some 10**12."""
    hidden = Permissions(deny=Names(columns=("t.b",)))
    assert len(shown(access(chained(40, "t"), hidden))) == 41
    assert set(shown(access(chained(40, "v00"), hidden))) == {"t"}, "all of a circle are hidden"
    assert set(shown(access(chained(40, "v20"), hidden))) == {"t"}, "and what leads into it"


def test_views_that_would_be_opened_into_too_much_are_hidden() -> None:
    may = access(chained(40, "t"), Permissions(rows={"t": "a > 1"}))
    assert set(shown(may)) == {"t", *(f"v{number}" for number in range(31, 40))}
    assert isinstance(restrict("SELECT a FROM v31", may), str), "512 scans"
    assert isinstance(restrict("SELECT a FROM v30", may), Failure)


def test_views_are_looked_into(schema: Schema) -> None:
    may = access(schema, Permissions(deny=Names(tables=("staff",))))
    assert set(shown(may)) == {"orders", "secret", "items"}
    trusted = access(schema, Permissions(deny=Names(tables=("staff",)), views=("romans",)))
    assert "romans" in shown(trusted) and "lamps" in shown(trusted)


def test_a_view_that_cannot_be_looked_into_is_hidden() -> None:
    table = Table(name="t", columns=(Column(name="a"),))
    for definition in ("", "no SQL at all", "SELECT a FROM elsewhere", "DELETE FROM t"):
        view = Table(name="v", columns=(Column(name="a"),), is_view=True, definition=definition)
        may = access(
            Schema(name="x", tables=(table, view)), Permissions(deny=Names(columns=("*.zz",)))
        )
        assert set(shown(may)) == {"t"}, definition


def test_rows_and_masks_hold_inside_of_views(company: Path) -> None:
    settings = load_settings(
        overrides={
            "permissions": {
                "rows": {"staff": "city = 'Oslo'", "orders": "staff_id IN (SELECT 2)"},
                "masks": {"staff.name": "substr(name, 1, 1) || '…'"},
            }
        }
    )
    with connect(str(company), settings=settings) as opened:
        assert rows(opened.sql("SELECT nr, who FROM romans")) == ()
        assert rows(opened.sql("SELECT name FROM everybody")) == (("B…",),)
        assert rows(opened.sql("SELECT item FROM items")) == (("desk",),)
        assert rows(opened.sql("SELECT * FROM lamps")) == ()
        assert rows(opened.sql("SELECT name FROM staff WHERE name = 'Bob'")) == ()


def rows(found: object) -> tuple[tuple[object, ...], ...]:
    assert isinstance(found, Rows), found
    return found.rows


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT COUNT(*) FROM staff", ((1,),)),
        ("SELECT name, item FROM staff s JOIN orders o ON staff_id = s.id", (("Ann", "lamp"),)),
        ("SELECT name FROM staff UNION SELECT 'x' ORDER BY 1", (("Ann",), ("x",))),
        ("WITH staff AS (SELECT 7 AS salary) SELECT salary FROM staff", ((7,),)),
        ("SELECT main.staff.name FROM main.staff", (("Ann",),)),
        ("SELECT id FROM staff s WHERE id IN (SELECT staff_id FROM orders)", ((1,),)),
        ("SELECT max(id) OVER () FROM staff", ((1,),)),
        ("SELECT name AS salary FROM staff ORDER BY salary", (("Ann",),)),
        ("SELECT phone IS NULL FROM staff", ((1,),)),
    ],
)
def test_what_is_left_reads_as_ever(
    company: Path, sql: str, wanted: tuple[tuple[object, ...], ...]
) -> None:
    settings = load_settings(overrides={"permissions": RULES})
    with connect(str(company), settings=settings) as opened:
        assert rows(opened.sql(sql)) == wanted


RULES = {
    "deny": {"tables": ["secret"], "columns": ["staff.salary"]},
    "rows": {"staff": "city = 'Rome'"},
    "masks": {"staff.phone": "NULL"},
}


def test_a_refusal_is_the_same_for_what_does_not_exist(schema: Schema) -> None:
    may = access(schema, Permissions(deny=Names(tables=("secret",))))
    hidden, missing = restrict("SELECT * FROM secret", may), restrict("SELECT * FROM zz", may)
    assert isinstance(hidden, Failure) and isinstance(missing, Failure)
    assert hidden.message.replace("secret", "zz") == missing.message
    assert hidden.kind == "refused"


def test_names_mean_what_they_mean_to_the_engine() -> None:
    def table(name: str, *columns: str, schema: str | None = None) -> Table:
        return Table(name=name, columns=tuple(Column(name=c) for c in columns), schema=schema)

    two = Schema(
        name="x",
        dialect="postgres",
        namespace="public",
        tables=(
            table("secret", "id"),
            table("hr.secret", "id", schema="hr"),
            table("staff", "id", "salary"),
            table("Staff", "id"),
        ),
    )
    rules = Permissions(deny=Names(tables=("public.secret",), columns=("staff.salary",)))
    may = access(two, rules)
    assert isinstance(restrict("SELECT * FROM secret", may), Failure), "not the one of hr"
    for sql, wanted in (
        ("SELECT * FROM hr.secret", 'FROM "hr"."secret" AS secret'),
        ("SELECT * FROM Staff", '"quorum_scan"."id" AS "id" FROM "public"."staff"'),
        ('SELECT * FROM "Staff"', 'FROM "public"."Staff" AS "Staff"'),
        ("SELECT STAFF.id FROM STAFF", ") AS STAFF"),
    ):
        allowed = restrict(sql, may)
        assert isinstance(allowed, str) and wanted in allowed, allowed


def test_messages_name_nothing_hidden(company: Path) -> None:
    settings = load_settings(overrides={"permissions": RULES})
    with connect(str(company), settings=settings) as opened:
        for sql in ("SELECT salry FROM staff", "SELECT wrd FROM orders", "SELECT * FROM secrt"):
            found = opened.sql(sql)
            assert isinstance(found, Failure)
            assert "salary" not in found.message and "secret'" not in found.message
            assert "quorum_scan" not in found.message


def test_the_command_line_keeps_to_the_configuration(company: Path, tmp_path: Path) -> None:
    (tmp_path / "quorum.toml").write_text(
        "[permissions.deny]\ntables = ['secret']\ncolumns = ['staff.salary']\n"
        "[permissions.rows]\nstaff = \"city = 'Rome'\"\n",
        encoding="utf-8",
    )
    listed = quorum("schema", "--db", str(company), cwd=tmp_path)
    assert "staff" in listed.stdout and "salary" not in listed.stdout
    assert "secret" not in listed.stdout and "xyzzy" not in listed.stdout
    assert "Bob" not in listed.stdout and "Ann" in listed.stdout
    refused = quorum("sql", "--db", str(company), "SELECT salary FROM staff", cwd=tmp_path)
    assert refused.returncode == 4 and "salary" in refused.stderr
    done = quorum("sql", "--db", str(company), "--json", "SELECT * FROM staff", cwd=tmp_path)
    assert json.loads(done.stdout)["rows"] == [[1, "Ann", "Rome", "555-1"]]


def test_a_mistyped_permission_stops_everything(company: Path, tmp_path: Path) -> None:
    for text in (
        "[permission.deny]\ntables = ['secret']\n",
        "[permissions]\ndenny = { tables = ['secret'] }\n",
        "[permissions.deny]\ntable = ['secret']\n",
        "[permissions.deny]\ntables = 'secret'\n",
        "[permissions.deny]\ntables = ['secrets']\n",
    ):
        (tmp_path / "quorum.toml").write_text(text, encoding="utf-8")
        done = quorum("sql", "--db", str(company), "SELECT * FROM orders", cwd=tmp_path)
        assert done.returncode == 2, text
        assert done.stdout == "" and len(done.stderr.splitlines()) == 1


def test_permissions_come_from_variables_too(company: Path) -> None:
    variables = {"QUORUM_PERMISSIONS_DENY_TABLES": "secret, orders", "HOME": str(company.parent)}
    settings = load_settings(environ=variables)
    assert settings.permissions.deny.tables == ("secret", "orders")
    for name in ("QUORUM_PERMISSION_DENY_TABLES", "QUORUM_PERMISSIONS_ROWS", "QUORUM_PERMS"):
        with pytest.raises(ConfigError, match="Unknown variable"):
            load_settings(environ={name: "secret", "HOME": str(company.parent)})


def test_functions_that_somebody_vouches_for_may_be_called(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "macros.duckdb"
    with duckdb.connect(path) as made:
        made.execute("CREATE TABLE t AS SELECT 2 AS a; CREATE MACRO double_it(x) AS 2 * x")
    for functions, rules, wanted in (
        ((), {}, "refused"),
        (("Double_It",), {}, ((4,),)),
        (("double_it",), {"rows": {"t": "a > 2"}}, ()),
        (("read_text",), {}, "refused"),
    ):
        settings = load_settings(overrides={"functions": functions, "permissions": rules})
        with connect(str(path), settings=settings) as opened:
            found = opened.sql("SELECT double_it(a) FROM t")
            told = found.kind if isinstance(found, Failure) else found.rows
            assert told == wanted, found


def test_later_files_add_to_what_is_denied(tmp_path: Path) -> None:
    first = load_settings(overrides={"permissions": {"deny": {"tables": ["a"]}}}).permissions
    both = load_settings(
        overrides={"permissions": {"deny": {"columns": ["b.c"], "tables": ["a"]}}}
    ).permissions
    assert first.deny.tables == both.deny.tables and both.deny.columns == ("b.c",)
