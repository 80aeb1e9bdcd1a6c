"""The filter's two schemas are nested, join, and follow what drafts, names and values say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql.domain import (
    Attempt,
    Brief,
    Candidate,
    Column,
    ColumnRef,
    ForeignKey,
    Hit,
    Question,
    Ranking,
    Schema,
    Table,
)
from quorumsql.errors import ModelError
from quorumsql.ports import Generator, Ranker
from quorumsql.stages.narrow import LARGE, Drafts, narrow
from quorumsql.stages.relevance import FEATURES, Beliefs, features, load_relevance


def table(name: str, *columns: str) -> Table:
    made = (Column(name="id", type="INTEGER", kind="number", primary_key=True),)
    return Table(name=name, columns=made + tuple(Column(name=c) for c in columns))


def to(own: str, column: str, other: str) -> ForeignKey:
    return ForeignKey(table=own, columns=(column,), referred_table=other, referred_columns=("id",))


SCHOOL = Schema(
    name="school",
    tables=(
        table("Student", "name", "born", "street"),
        table("Enrolment", "student_id", "course_id", "grade"),
        table("Course", "title", "credits"),
        table("Building", "street", "floors"),
    ),
    foreign_keys=(to("Enrolment", "student_id", "Student"), to("Enrolment", "course_id", "Course")),
)


class Drafting:
    """A generator with drafts of its own."""

    def __init__(self, name: str, *drafts: tuple[str, float]) -> None:
        self._name = name
        self._drafts = drafts

    @property
    def name(self) -> str:
        return self._name

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        assert brief.schema is SCHOOL
        return tuple(
            Candidate(generator=self._name, attempts=(Attempt(sql=sql),), weight=weight)
            for sql, weight in self._drafts
        )


def ref(name: str) -> ColumnRef:
    owner, _, column = name.partition(".")
    return ColumnRef(table=owner, column=column)


def ranking(columns: dict[str, float], **tables: float) -> Ranking:
    return Ranking(columns={ref(name): p for name, p in columns.items()}, tables=tables)


def names(schema: Schema) -> set[str]:
    return {f"{t.name}.{c.name}" for t in schema.tables for c in t.columns}


def brief(text: str, *hits: Hit) -> Brief:
    return Brief(question=Question(text=text), schema=SCHOOL, hits=hits)


def test_likely_columns_come_with_the_keys_that_join_them() -> None:
    nested = narrow(SCHOOL, ranking({"Student.name": 0.9, "Course.title": 0.8}))
    assert names(nested.precise) == {
        *("Student.id", "Student.name", "Course.id", "Course.title"),
        *("Enrolment.id", "Enrolment.student_id", "Enrolment.course_id"),
    }
    assert nested.precise.foreign_keys == SCHOOL.foreign_keys
    assert ref("Enrolment.student_id") in nested.keys
    assert ref("Student.name") not in nested.keys


def test_the_second_schema_holds_the_first_and_what_is_less_likely() -> None:
    nested = narrow(SCHOOL, ranking({"Student.name": 0.9, "Student.born": 0.004}))
    assert names(nested.precise) == {"Student.id", "Student.name"}
    assert names(nested.wide) == {"Student.id", "Student.name", "Student.born"}


def test_a_table_that_is_only_counted_stays() -> None:
    nested = narrow(SCHOOL, ranking({}, Building=0.9, Student=0.1))
    assert names(nested.precise) == {"Building.id"}


def test_nothing_likely_leaves_the_likeliest() -> None:
    nested = narrow(SCHOOL, ranking({"Course.title": 0.001, "Student.born": 0.0}))
    assert "Course.title" in names(nested.precise)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(names(SCHOOL))), st.floats(0, 1)))
def test_any_ranking_gives_nested_parts_of_the_schema(columns: dict[str, float]) -> None:
    nested = narrow(SCHOOL, ranking(columns))
    assert names(nested.precise) <= names(nested.wide) <= names(SCHOOL)
    likely = {name for name, p in columns.items() if p >= LARGE[0]}
    assert likely <= names(nested.precise)


def test_drafts_are_believed_by_their_weight() -> None:
    generators: list[Generator] = [
        Drafting("a", ("SELECT name FROM Student", 0.75), ("SELECT title FROM Course", 0.25)),
        Drafting("b", ("SELECT T1.name FROM Student AS T1", 1.0)),
    ]
    beliefs = Drafts(generators, load_relevance()).beliefs(brief("names of students"))
    assert beliefs.columns == {ref("Student.name"): 0.875, ref("Course.title"): 0.125}
    assert beliefs.best[ref("Student.name")] == 1.0
    assert beliefs.tables == {"Student": 0.875, "Course": 0.125}
    assert beliefs.first == {ref("Student.name"): 1.0}
    assert beliefs.some == {ref("Student.name"): 1.0, ref("Course.title"): 0.5}
    assert beliefs.sure == 0.875
    assert beliefs.spread == pytest.approx(0.2812, abs=1e-3)


def test_a_column_without_its_table_is_found_among_the_tables_read() -> None:
    sql = "SELECT grade, nonsense FROM Student JOIN Enrolment ON Student.id = student_id"
    beliefs = Drafts([Drafting("a", (sql, 1.0))], load_relevance()).beliefs(brief("grades"))
    assert set(beliefs.columns) == {
        *(ref("Enrolment.grade"), ref("Student.id"), ref("Enrolment.student_id")),
    }


@pytest.mark.parametrize("sql", ["", "not SQL at all (", "SELECT 1", "SELECT x FROM nowhere"])
def test_drafts_that_say_nothing_harm_nothing(sql: str) -> None:
    ranker: Ranker = Drafts([Drafting("a", (sql, 1.0))], load_relevance())
    found = ranker.rank(brief("names of students"))
    assert set(found.columns) == {ref(name) for name in names(SCHOOL)}
    assert all(0.0 <= p <= 1.0 for p in found.columns.values())


class Failing(Drafting):
    """A generator whose model is gone."""

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        raise ModelError(f"gone, asked {brief.question.text!r}")


def test_a_generator_that_fails_has_no_say_unless_all_do() -> None:
    working = Drafting("b", ("SELECT name FROM Student", 1.0))
    beliefs = Drafts([Failing("a"), working], load_relevance()).beliefs(brief("names"))
    assert beliefs.columns == {ref("Student.name"): 0.5}
    with pytest.raises(ModelError, match="gone"):
        Drafts([Failing("a"), Failing("c")], load_relevance()).rank(brief("names"))


def test_words_and_values_that_a_believed_column_explains_count_less_elsewhere() -> None:
    hits = [
        Hit(table=t, column="street", value="Elm", start=20, end=23, score=1.0, match="exact")
        for t in ("Student", "Building")
    ]
    drafts = [Drafting("a", ("SELECT street FROM Student", 1.0))]
    asked = brief("Whose street is the Elm?", *hits)
    rows = features(asked, Drafts(drafts, load_relevance()).beliefs(asked))
    left, taken, value = (FEATURES.index(n) for n in ("word_left", "word_taken", "value_left"))
    assert (rows[ref("Student.street")][left], rows[ref("Student.street")][taken]) == (1.0, 0.0)
    assert (rows[ref("Building.street")][left], rows[ref("Building.street")][taken]) == (0.0, 1.0)
    assert rows[ref("Building.street")][value] == 0.0
    assert rows[ref("Building.street")][FEATURES.index("twin_belief")] == 1.0


def test_a_feature_that_nothing_was_fitted_with_counts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text(
        '{"features": ["belief", "gone"], "means": [0, 0], "scales": [1, 1], '
        '"weights": [2, 5], "intercept": 0}'
    )
    relevance = load_relevance(file)
    row = [1.0] * len(FEATURES)
    assert relevance(row) == pytest.approx(0.8808, abs=1e-4)


def test_names_and_values_count_beside_drafts() -> None:
    hit = Hit(
        table="Building", column="street", value="Elm Row", start=0, end=7, score=1.0, match="exact"
    )
    relevance = load_relevance()
    none = Beliefs(columns={}, best={}, tables={})
    plain = features(brief("anything"), none)
    asked = features(brief("How many floors are on Elm Row?", hit), none)
    for name in ("Building.floors", "Building.street"):
        assert relevance(asked[ref(name)]) > relevance(plain[ref(name)])
    assert len(asked[ref("Student.id")]) == len(FEATURES)
