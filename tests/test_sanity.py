"""Signs that SQL makes no sense: joins that multiply rows, and values that say nothing."""

from __future__ import annotations

import pytest

from quorumsql.domain import Attempt, Candidate, Column, ForeignKey, Schema, Table
from quorumsql.stages.sanity import SIGNS, Sanity


def _table(name: str, *columns: str) -> Table:
    first, *rest = columns
    named = (Column(name=first, primary_key=True), *(Column(name=one) for one in rest))
    return Table(name=name, columns=named)


def _refers(table: str, column: str, referred: str) -> ForeignKey:
    return ForeignKey(
        table=table, columns=(column,), referred_table=referred, referred_columns=("id",)
    )


SCHEMA = Schema(
    name="league",
    dialect="sqlite",
    tables=(
        _table("team", "id", "name"),
        _table("player", "id", "name", "age", "team"),
        _table("match", "id", "season", "team"),
        _table("captain", "id", "since"),
    ),
    foreign_keys=(
        _refers("player", "team", "team"),
        _refers("match", "team", "team"),
        _refers("captain", "id", "player"),
    ),
)
BOTH = "player JOIN team ON player.team = team.id JOIN match ON match.team = team.id"


@pytest.mark.parametrize(
    ("sql", "bridged", "nonsense"),
    [
        (f"SELECT COUNT(*) FROM {BOTH}", 1, 0),
        (f"SELECT P.name FROM {BOTH.replace('player', 'PLAYER')}", 1, 0),
        ("SELECT a.name FROM player AS a, team AS b, match AS c "
         "WHERE a.team = b.id AND b.id = c.team", 1, 0),
        (f"SELECT DISTINCT player.name FROM {BOTH}", 0, 0),
        (f"SELECT DISTINCT team.name FROM {BOTH} GROUP BY team.id ORDER BY COUNT(*)", 1, 0),
        (f"SELECT COUNT(DISTINCT player.id) FROM {BOTH}", 0, 0),
        (f"SELECT name FROM team WHERE id IN (SELECT team.id FROM {BOTH})", 0, 0),
        ("SELECT player.name FROM player JOIN team ON player.team = team.id", 0, 0),
        ("SELECT team.name FROM captain JOIN player ON captain.id = player.id "
         "JOIN team ON player.team = team.id", 0, 0),
        ("SELECT name FROM player WHERE name = 'Ann'", 0, 1),
        ("SELECT T1.name FROM player AS T1 WHERE T1.name = 'Ann' AND T1.age > 3", 0, 1),
        ("SELECT name, age FROM player WHERE name = 'Ann'", 0, 0),
        ("SELECT name FROM player WHERE name = 'Ann' OR name = 'Bo'", 0, 0),
        ("SELECT AVG(team) FROM player", 0, 1),
        ("SELECT SUM(id) FROM match", 0, 1),
        ("SELECT AVG(age) FROM player", 0, 0),
        ("SELECT age FROM player WHERE name = 'Ann' ORDER BY name", 0, 1),
        ("SELECT name, COUNT(*) FROM player", 0, 1),
        ("SELECT name, COUNT(*) FROM player GROUP BY name", 0, 0),
        ("SELECT name, MAX(age) FROM player", 0, 0),
        ("SELECT * FROM player", 0, 0),
        ("SELEKT (", 0, 0),
    ],
)  # fmt: skip
def test_signs_of_a_statement(sql: str, bridged: int, nonsense: int) -> None:
    found = Sanity().of(sql, SCHEMA)
    assert tuple(found) == SIGNS
    assert (found["bridged"], found["nonsense"]) == (bridged, nonsense)


def test_tables_that_are_joined_by_the_name_of_a_column() -> None:
    shared = Schema(
        name="shared",
        dialect="sqlite",
        tables=(_table("a", "a_id", "t_id"), _table("t", "t_id"), _table("b", "b_id", "t_id")),
        foreign_keys=tuple(
            ForeignKey(table=one, columns=("t_id",), referred_table="t", referred_columns=("t_id",))
            for one in "ab"
        ),
    )
    sanity = Sanity()
    assert sanity.of("SELECT a_id FROM a JOIN t USING (t_id) JOIN b USING (t_id)", shared)[
        "bridged"
    ]
    assert not sanity.of("SELECT a_id FROM a JOIN t USING (t_id)", shared)["bridged"]


def test_each_candidate_has_its_signs() -> None:
    texts = ("SELECT COUNT(*) FROM player", f"SELECT COUNT(*) FROM {BOTH}")
    pool = [Candidate(generator="g", attempts=(Attempt(sql=sql),)) for sql in (*texts, texts[0])]
    found = Sanity().each(pool, SCHEMA)
    assert [one["bridged"] for one in found] == [0.0, 1.0, 0.0]
