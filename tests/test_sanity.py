"""Signs that SQL makes no sense: joins that multiply rows, and values that say nothing."""

from __future__ import annotations

import pytest

from quorumsql.domain import Attempt, Candidate, Column, ForeignKey, Question, Schema, Table
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
ASKED = Question(text="Who?")
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
        ("SELECT name FROM team INTERSECT SELECT name FROM team", 0, 1),
        ("SELECT name FROM team UNION SELECT name FROM player", 0, 0),
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
        ("SELECT team FROM player GROUP BY team HAVING COUNT(*) = 'Led'", 0, 1),
        ("SELECT team FROM player GROUP BY team HAVING COUNT(*) = '2'", 0, 0),
        ("SELECT SUM(age) FROM player ORDER BY age DESC LIMIT 3", 0, 1),
        ("SELECT age FROM player ORDER BY age DESC LIMIT 3", 0, 0),
        ("SELECT age FROM player WHERE name = 'Ann' AND name = 'Bo'", 0, 1),
        ("SELECT age FROM player WHERE name = 'Ann' AND name = 'Ann'", 0, 0),
        ("SELECT a.age FROM player AS a, player AS b WHERE a.name = 'Ann' AND b.name = 'Bo'", 0, 0),
        ("SELECT age FROM player WHERE name = 'Name'", 0, 1),
        ("SELECT name, age, name FROM player", 0, 1),
        ("SELECT player.team, team.id FROM player JOIN team ON player.team = team.id", 0, 1),
        ("SELECT a.name, b.name FROM player AS a JOIN player AS b ON a.team = b.team", 0, 0),
        ("SELEKT (", 0, 0),
    ],
)  # fmt: skip
def test_signs_of_a_statement(sql: str, bridged: int, nonsense: int) -> None:
    found = Sanity().of(ASKED, sql, SCHEMA)
    assert tuple(found) == SIGNS
    assert (found["bridged"], found["nonsense"]) == (bridged, nonsense)


TYPED = Schema(
    name="shop",
    dialect="sqlite",
    tables=(
        Table(
            name="orders",
            columns=(
                Column(name="id", kind="number", primary_key=True, examples=(1, 2)),
                Column(name="day", kind="date", examples=("2024-05-03", "2024-05-04")),
                Column(name="amount", kind="number", examples=(9.5, 12.0)),
                Column(name="horsepower", kind="text", examples=("90", "null")),
                Column(name="status", kind="text", examples=("paid", "open")),
                Column(name="gift", kind="boolean", examples=(0, 1)),
                Column(name="stamp", kind="date", examples=(1700000000, 1700000001)),
            ),
        ),
    ),
)


@pytest.mark.parametrize(
    ("sql", "nonsense"),
    [
        ("SELECT AVG(day) FROM orders", 1),
        ("SELECT SUM(status) FROM orders", 1),
        ("SELECT AVG(amount) FROM orders", 0),
        ("SELECT AVG(horsepower) FROM orders", 0),
        ("SELECT AVG(gift) FROM orders", 0),
        ("SELECT COUNT(*) FROM orders WHERE day = 30", 1),
        ("SELECT COUNT(*) FROM orders WHERE day > 'June'", 1),
        ("SELECT COUNT(*) FROM orders WHERE day > '2024'", 0),
        ("SELECT COUNT(*) FROM orders WHERE day >= 2024", 0),
        ("SELECT COUNT(*) FROM orders WHERE stamp > 99", 0),
        ("SELECT COUNT(*) FROM orders WHERE amount = 'paid'", 1),
        ("SELECT COUNT(*) FROM orders WHERE amount > '10'", 0),
        ("SELECT COUNT(*) FROM orders WHERE amount = ''", 0),
        ("SELECT COUNT(*) FROM orders WHERE gift = 'VIP'", 1),
        ("SELECT COUNT(*) FROM orders WHERE gift = 'Yes'", 0),
        ("SELECT COUNT(*) FROM orders WHERE status > 10", 0),
    ],
)
def test_values_of_another_kind(sql: str, nonsense: int) -> None:
    assert Sanity().of(ASKED, sql, TYPED)["nonsense"] == nonsense


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
    assert sanity.of(ASKED, "SELECT a_id FROM a JOIN t USING (t_id) JOIN b USING (t_id)", shared)[
        "bridged"
    ]
    assert not sanity.of(ASKED, "SELECT a_id FROM a JOIN t USING (t_id)", shared)["bridged"]


def test_each_candidate_has_its_signs() -> None:
    texts = ("SELECT COUNT(*) FROM player", f"SELECT COUNT(*) FROM {BOTH}")
    pool = [Candidate(generator="g", attempts=(Attempt(sql=sql),)) for sql in (*texts, texts[0])]
    found = Sanity().each(ASKED, pool, SCHEMA)
    assert [one["bridged"] for one in found] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("sql", "undetermined"),
    [
        ("SELECT name FROM player GROUP BY team HAVING COUNT(*) > 10", 1),
        ("SELECT team FROM player GROUP BY team HAVING COUNT(*) > 10", 0),
        ("SELECT name, COUNT(*) FROM player GROUP BY id", 0),
        ("SELECT team.name FROM player JOIN team ON player.team = team.id GROUP BY player.team", 0),
        ("SELECT player.name FROM player JOIN team ON player.team = team.id GROUP BY team.id", 1),
        ("SELECT name, MAX(age) FROM player GROUP BY team", 0),
        ("SELECT age FROM player WHERE age = 3 GROUP BY team", 0),
        ("SELECT COUNT(*) FROM player GROUP BY age > 3", 0),
    ],
)
def test_a_column_that_a_group_may_have_several_of(sql: str, undetermined: int) -> None:
    assert Sanity().of(ASKED, sql, SCHEMA)["undetermined"] == undetermined


@pytest.mark.parametrize(
    ("question", "sql", "unheeded"),
    [
        ("Whose age is more than 20?", "SELECT name FROM player", 1),
        ("Whose age is more than 20?", "SELECT name FROM player WHERE age < 20", 1),
        ("Whose age is more than 20?", "SELECT name FROM player WHERE age > 20", 0),
        ("Whose age is more than 20?", "SELECT name FROM player WHERE 20 < age", 0),
        ("Whose age is no more than 20?", "SELECT name FROM player WHERE age <= 20", 0),
        ("Whose age is no more than 20?", "SELECT name FROM player WHERE age = 20", 1),
        ("Which teams have at least two players?",
         "SELECT team FROM player GROUP BY team HAVING COUNT(*) > 1", 0),
        ("Who earns 1,500.00?", "SELECT name FROM player WHERE pay = 1500", 0),
        ("Who won in 1998?", "SELECT name FROM player WHERE day LIKE '1998-%'", 0),
        ("Who won in 1998?", "SELECT name FROM player", 1),
        ("Who earns more than 1.5 million?", "SELECT name FROM player WHERE pay > 1500000", 0),
        ("Who earns over 20k?", "SELECT name FROM player WHERE pay > 20000", 0),
        ("Who played '2012 Open'?", "SELECT name FROM player", 0),
        ("Whose name starts with A?", "SELECT name FROM player", 1),
        ("Whose name starts with A?", "SELECT name FROM player WHERE name LIKE 'A%'", 0),
        ("Names of all teams starting with the oldest", "SELECT name FROM team ORDER BY since", 0),
        ("Whose name starts with A?", "SELECT name FROM player WHERE name LIKE '%A%'", 1),
        ("Whose name ends with a?", "SELECT name FROM player WHERE name LIKE 'a%'", 1),
        ("Whose name starts with A and ends with o?",
         "SELECT name FROM player WHERE name LIKE 'A%' AND name LIKE '%o'", 0),
        ("Who is called Ann?", "SELECT name FROM player WHERE name != 'Ann'", 1),
        ("Who isn't called Ann?", "SELECT name FROM player WHERE name != 'Ann'", 0),
        ("Who hasn't the name 'Ann'?", "SELECT name FROM player WHERE NOT name = 'Ann'", 0),
        ("Which players share a team?",
         "SELECT a.name FROM player AS a, player AS b WHERE a.team = b.team AND a.id != b.id", 0),
        ("Which players are captain?", "SELECT id FROM player EXCEPT SELECT id FROM captain", 1),
        ("Which players are captain?", "SELECT id FROM player INTERSECT SELECT id FROM captain", 1),
        ("Which players are captain?", "SELECT id FROM player WHERE since IS NOT NULL", 0),
        ("How old are the players?", "SELECT AVG(age) FROM player", 1),
        ("Which age has Ann?", "SELECT SUM(age) FROM player WHERE name = 'Ann'", 1),
        ("Who played in 1998?", "SELECT name FROM player WHERE season <= 1998", 1),
        ("Who played in 1998?", "SELECT name FROM player WHERE season = 1998", 0),
        ("Who played in 1998 or later?", "SELECT name FROM player WHERE season >= 1998", 0),
        ("Which players are captain?", "SELECT COUNT(*) FROM captain", 1),
        ("List the team with most players", "SELECT COUNT(*) FROM player", 0),
        ("Show the number of players", "SELECT COUNT(*) FROM player", 0),
        ("Find players and their count", "SELECT COUNT(*) FROM player", 0),
        ("Which teams?", "SELECT team, COUNT(*) FROM player GROUP BY team", 0),
        ("Spieler namens Ann", "SELECT name FROM player WHERE name != 'Ann'", 0),
        ("Names in alphabetical order", "SELECT name FROM player", 1),
        ("Names in descending order", "SELECT name FROM player ORDER BY name", 1),
        ("Names in descending order", "SELECT name FROM player ORDER BY name DESC", 0),
        ("What is the average age?", "SELECT age FROM player", 1),
        ("What is the average age?", "SELECT SUM(age) / COUNT(*) FROM player", 0),
        ("What is the average age?", "SELECT average_age FROM team", 0),
        ("What is the maximum age?", "SELECT age FROM player", 1),
        ("What is the maximum age?", "SELECT age FROM player ORDER BY age DESC LIMIT 1", 0),
        ("Who are the top 3?", "SELECT name FROM player WHERE id = 3", 1),
        ("Who are the top 3?", "SELECT name FROM player ORDER BY age LIMIT 3", 0),
        ("Wie heißen alle?", "SELECT name FROM player", 0),
    ],
)  # fmt: skip
def test_what_a_question_surely_asks_for(question: str, sql: str, unheeded: int) -> None:
    assert Sanity().of(Question(text=question), sql, SCHEMA)["unheeded"] == unheeded
