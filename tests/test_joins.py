"""The join graph: shortest chains of keys, bridges included, the same every time."""

from __future__ import annotations

from quorumsql.domain import Column, ColumnRef, ForeignKey, Schema, Table
from quorumsql.joins import JoinGraph


def schema(*keys: tuple[str, str, bool]) -> Schema:
    """A schema from keys ("flight.source", "airport.code", declared)."""
    names = dict.fromkeys(end.split(".")[0] for key in keys for end in key[:2])
    return Schema(
        name="s",
        tables=tuple(Table(name=n, columns=(Column(name="id"),)) for n in (*names, "island")),
        foreign_keys=tuple(
            ForeignKey(
                table=source.split(".")[0],
                columns=(source.split(".")[1],),
                referred_table=target.split(".")[0],
                referred_columns=(target.split(".")[1],),
                declared=declared,
            )
            for source, target, declared in keys
        ),
    )


SCHOOL = schema(
    ("takes.student", "student.id", True),
    ("takes.course", "course.id", True),
    ("course.teacher", "teacher.id", True),
    ("student.teacher_id", "teacher.id", False),
)
FLIGHTS = schema(("flight.source", "airport.code", True), ("flight.dest", "airport.code", True))


def test_one_table_needs_no_join() -> None:
    path = JoinGraph(SCHOOL).path(["student"])
    assert path is not None
    assert path.tables == ("student",)


def test_a_bridge_table_is_added() -> None:
    path = JoinGraph(SCHOOL).path(["student", "course"])
    assert path is not None
    assert path.tables == ("student", "takes", "course")
    pairs = [(a.table, a.column, b.table) for join in path.joins for a, b in join.pairs]
    assert pairs == [("takes", "student", "student"), ("takes", "course", "course")]


def test_an_inferred_key_is_taken_where_it_is_much_shorter_and_says_so() -> None:
    path = JoinGraph(SCHOOL).path(["student", "teacher"])
    assert path is not None
    assert [(join.table, join.declared) for join in path.joins] == [("teacher", False)]


def test_a_table_that_joins_later_uses_any_table_before_it() -> None:
    path = JoinGraph(SCHOOL).path(["takes", "student", "teacher", "course"])
    assert path is not None
    assert set(path.tables) == {"takes", "student", "teacher", "course"}
    assert len(path.joins) == 3


def test_unreachable_tables_have_no_path() -> None:
    assert JoinGraph(SCHOOL).path(["student", "island"]) is None
    assert JoinGraph(SCHOOL).path(["student", "nowhere"]) is None
    assert JoinGraph(SCHOOL).path([]) is None


def test_via_chooses_between_two_keys() -> None:
    graph = JoinGraph(FLIGHTS)

    def column(*via: ColumnRef) -> str:
        path = graph.path(["airport", "flight"], via=via)
        assert path is not None
        return path.joins[0].pairs[0][0].column

    assert column() == "source"
    assert column(ColumnRef(table="flight", column="dest")) == "dest"


def test_composite_keys_join_by_every_pair() -> None:
    key = ForeignKey(
        table="line", columns=("order_no", "shop"), referred_table="order",
        referred_columns=("no", "shop"),
    )  # fmt: skip
    tables = tuple(Table(name=n, columns=(Column(name="shop"),)) for n in ("line", "order"))
    path = JoinGraph(Schema(name="s", tables=tables, foreign_keys=(key,))).path(["order", "line"])
    assert path is not None
    assert [(a.column, b.column) for a, b in path.joins[0].pairs] == [
        ("order_no", "no"),
        ("shop", "shop"),
    ]


def test_a_key_to_its_own_table_is_no_edge() -> None:
    graph = JoinGraph(schema(("employee.manager", "employee.id", True)))
    path = graph.path(["employee"])
    assert path is not None
    assert path.joins == ()
