from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from quorumsql.db import infer_foreign_keys, open_database
from quorumsql.db.foreign_keys import resolve_foreign_keys
from quorumsql.domain import Column, ForeignKey, Kind, Schema, Table


def table(name: str, *columns: str, is_view: bool = False) -> Table:
    """Columns as "name", "name*" for a key, "name:text" for text; numbers otherwise."""
    made = []
    for text in columns:
        bare, _, kind = text.partition(":")
        chosen: Kind = "text" if kind == "text" else "number"
        made.append(
            Column(
                name=bare.rstrip("*"),
                type=chosen.upper(),
                kind=chosen,
                primary_key=bare.endswith("*"),
            )
        )
    return Table(name=name, columns=tuple(made), is_view=is_view)


def key(text: str, *, declared: bool = False) -> ForeignKey:
    """Read "a.x -> b.y"."""
    (one, x), (other, y) = (part.split(".") for part in text.split(" -> "))
    return ForeignKey(
        table=one, columns=(x,), referred_table=other, referred_columns=(y,), declared=declared
    )


def inferred(*tables: Table, keys: tuple[ForeignKey, ...] = ()) -> set[str]:
    found = infer_foreign_keys(Schema(name="test", tables=tables, foreign_keys=keys))
    assert not any(k.declared for k in found)
    assert len(set(found)) == len(found)
    return {
        f"{k.table}.{k.columns[0]} -> {k.referred_table}.{k.referred_columns[0]}" for k in found
    }


def test_a_column_named_like_another_tables_key() -> None:
    found = inferred(table("Student", "StuID*", "name:text"), table("Has_Pet", "stu_id", "PetID"))
    assert found == {"Has_Pet.stu_id -> Student.StuID"}


@pytest.mark.parametrize("column", ["airline_id", "AirlineID", "airline id", "airlineno"])
def test_a_column_named_like_another_table(column: str) -> None:
    found = inferred(table("airlines", "id*", "name:text"), table("flight", "nr*", column))
    assert found == {f"flight.{column} -> airlines.id"}


def test_a_number_named_like_another_table() -> None:
    found = inferred(table("AIRLINES", "uid*", "name:text"), table("flight", "nr*", "Airline"))
    assert found == {"flight.Airline -> AIRLINES.uid"}
    assert not inferred(table("countries", "id*"), table("city", "nr*", "country:text"))


def test_a_role_before_the_name() -> None:
    found = inferred(
        table("station", "id*", "name:text"),
        table("trip", "id*", "start_station_id", "endStationId", "bike_id"),
    )
    assert found == {
        "trip.start_station_id -> station.id",
        "trip.endStationId -> station.id",
    }


def test_plural_forms() -> None:
    found = inferred(
        table("categories", "id*"), table("boxes", "id*"), table("x", "category_id", "box_id")
    )
    assert found == {"x.category_id -> categories.id", "x.box_id -> boxes.id"}


def test_a_table_without_primary_key_is_known_by_its_id() -> None:
    found = inferred(table("player", "player_id", "name:text"), table("salary", "player_id"))
    assert found == {"salary.player_id -> player.player_id"}


def test_two_unconnected_tables_that_share_one_column() -> None:
    several = inferred(table("list", "Last", "Grade", "Room"), table("teachers", "Last", "Room"))
    assert several == set()
    found = inferred(
        table("list", "Last*", "First*", "Grade", "Classroom"),
        table("teachers", "Last*", "First*", "Classroom"),
    )
    assert found == {"list.Classroom -> teachers.Classroom"}


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param(
            (table("a", "id*"), table("b", "id*")), id="generic names alone imply nothing"
        ),
        pytest.param(
            (table("a", "code_x*"), table("b", "code_x*"), table("c", "code_x")),
            id="two possible targets",
        ),
        pytest.param((table("pet", "pet_id*"), table("x", "pet_id:text")), id="other type"),
        pytest.param(
            (table("pet", "pet_id*"), table("pets", "pet_id", is_view=True)), id="views refer not"
        ),
        pytest.param((table("person", "person_id*", "boss"),), id="no other table"),
        pytest.param(
            (table("results", "id*"), table("x", "constructor_results_id*")),
            id="its own key plays no role",
        ),
        pytest.param((), id="no tables"),
    ],
)
def test_nothing_is_inferred(tables: tuple[Table, ...]) -> None:
    assert inferred(*tables) == set()


def test_declared_keys_are_not_repeated_in_either_direction() -> None:
    tables = (table("pet", "pet_id*"), table("owner", "owner_id*", "pet_id"))
    assert inferred(*tables, keys=(key("owner.pet_id -> pet.pet_id", declared=True),)) == set()
    assert inferred(*tables, keys=(key("pet.pet_id -> owner.pet_id", declared=True),)) == set()


def test_a_declared_key_to_elsewhere_is_kept_and_the_obvious_one_added() -> None:
    found = inferred(
        table("actor", "actor_id*", "musical_id"),
        table("musical", "musical_id*"),
        keys=(key("actor.musical_id -> actor.actor_id", declared=True),),
    )
    assert found == {"actor.musical_id -> musical.musical_id"}


def test_a_member_of_a_composite_key_may_refer_by_itself() -> None:
    composite = ForeignKey(
        table="teaches",
        columns=("course_id", "sec_id"),
        referred_table="section",
        referred_columns=("course_id", "sec_id"),
    )
    found = inferred(
        table("course", "course_id*"),
        table("section", "course_id*", "sec_id*"),
        table("teaches", "course_id*", "sec_id*"),
        keys=(composite,),
    )
    assert found == {
        "section.course_id -> course.course_id",
        "teaches.course_id -> course.course_id",
    }


def test_many_alike_tables_take_no_quadratic_time() -> None:
    many = [table(f"t{i}", "guid*", *(f"c{j}" for j in range(20))) for i in range(1000)]
    assert inferred(*many) == set()


def test_declared_keys_get_the_tables_spelling_and_lose_what_leads_nowhere() -> None:
    tables = (table("Student", "StuID*"), table("Pet", "ID*", "owner"), table("two", "a*", "b*"))
    implied = ForeignKey(
        table="pet", columns=("OWNER",), referred_table="student", referred_columns=()
    )
    found = resolve_foreign_keys(
        [
            implied,
            key("PET.Owner -> STUDENT.stuid", declared=True),
            key("Pet.owner -> Missing.id", declared=True),
            key("Pet.owner -> Student.missing", declared=True),
            key("Pet.nope -> Student.StuID", declared=True),
            key("Pet.owner -> Pet.owner", declared=True),
            ForeignKey(table="Pet", columns=("owner",), referred_table="two", referred_columns=()),
        ],
        tables,
    )
    assert found == (key("Pet.owner -> Student.StuID", declared=True),)


def test_keys_cover_the_joins_of_spiders_training_questions(spider_dir: Path) -> None:
    """At least 97 % of the gold join conditions follow a declared or an inferred key."""
    wanted = _gold_joins(spider_dir / "train.json")
    covered = total = 0
    for name, conditions in wanted.items():
        with closing(open_database(str(spider_dir / "database" / name / f"{name}.sqlite"))) as db:
            known = {
                frozenset({(k.table.lower(), a.lower()), (k.referred_table.lower(), b.lower())})
                for k in db.schema().foreign_keys
                for a, b in zip(k.columns, k.referred_columns, strict=True)
            }
        total += sum(conditions.values())
        covered += sum(count for pair, count in conditions.items() if pair in known)
    assert total > 3_500
    assert covered / total >= 0.97


def _gold_joins(path: Path) -> dict[str, Counter[frozenset[tuple[str, str]]]]:
    """Count the conditions `a.x = b.y` of all ON clauses, by database; equal SQL counts once."""
    found: dict[str, Counter[frozenset[tuple[str, str]]]] = {}
    entries = json.loads(path.read_text(encoding="utf-8"))
    counts = Counter((e["db_id"], e["query"]) for e in entries if " on " in e["query"].lower())
    for (name, query), count in counts.items():
        pairs = found.setdefault(name, Counter())
        for select in sqlglot.parse_one(query, dialect="sqlite").find_all(exp.Select):
            for pair in _conditions(select):
                pairs[pair] += count
    return found


def _conditions(select: exp.Select) -> list[frozenset[tuple[str, str]]]:
    joins = select.args.get("joins") or []
    sources = [select.args["from_"].this, *(join.this for join in joins)]
    tables = {s.alias_or_name.lower(): s.name.lower() for s in sources if isinstance(s, exp.Table)}
    pairs = []
    for on in (join.args.get("on") for join in joins):
        for equal in on.find_all(exp.EQ) if on is not None else ():
            sides = [
                (tables.get(side.table.lower(), ""), side.name.lower())
                for side in (equal.this, equal.expression)
                if isinstance(side, exp.Column)
            ]
            if len(sides) == 2 and sides[0][0] != sides[1][0]:
                pairs.append(frozenset(sides))
    return pairs


def test_sqlite_declares_nothing_and_names_say_it_all(tmp_path: Path) -> None:
    path = tmp_path / "pets.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE owner (owner_id INTEGER PRIMARY KEY);"
            "CREATE TABLE pet (id INTEGER PRIMARY KEY, owner_id INT);"
        )
    with closing(open_database(str(path))) as database:
        assert database.schema().foreign_keys == (key("pet.owner_id -> owner.owner_id"),)
