"""Whatever the guard lets through leaves the whole database as it was.

Statements are made by a grammar of reading SQL in which hostile pieces stand in every place: as
expressions, as tables, as clauses, between tokens and as further statements.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from corpus import ENGINES, corpus
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from stage import HIDDEN, PERMISSIONS, SEEN, Stage, staged, told

from quorumsql.db import PermittedDatabase
from quorumsql.domain import Limits
from quorumsql.guard import check

QUICK = Limits(seconds=0.2, rows=50, bytes=1_000_000)
EXAMPLES = {"sqlite": 400, "duckdb": 60, "postgres": 120, "mysql": 120}

NAMES = st.sampled_from(["id", "name", "city", "salary", "phone", "staff.id", "q.name", '"salary"'])
VALUES = st.sampled_from(["1", "'Rome'", "NULL", "''';'", "'--'", "0", "'/*'", "1.5", "TRUE"])
CALLS = st.sampled_from(
    ["count(*)", "max(salary)", "length(name)", "coalesce(name, city)", "abs(id)", "lower(name)"]
)
TABLES = st.sampled_from(
    ["staff", "secret", "note", "romans", "pay", "staff AS q", "secret AS staff", "big", "nowhere"]
)
BETWEEN = st.sampled_from(
    [" ", "\n", "\t", " /* x */ ", " -- x\n", "/**/", "\u00a0", " ; ", "\r", " /*! */ ", " \x00 "]
)
TAILS = st.sampled_from(
    ["", "", "", ";", " -- ;", " FOR UPDATE", " INTO loot", "; DELETE FROM staff", " LIMIT 1"]
)


def pieces(engine: str, *kinds: str) -> st.SearchStrategy[str]:
    """Hostile lines of the corpus that stand for themselves, of some kinds."""
    found = [one.sql for one in corpus(engine) if "engine" in one.layers]
    return st.sampled_from([sql for sql in found if sql.startswith(kinds)])


def expressions(engine: str) -> st.SearchStrategy[str]:
    hostile = pieces(engine, "SELECT ").map(lambda sql: f"({sql})")
    simple = st.one_of(NAMES, VALUES, CALLS, NAMES, hostile)
    return st.recursive(
        simple,
        lambda inner: st.one_of(
            st.tuples(
                inner, st.sampled_from(["=", "<", "+", "||", "AND", "IN", "IS NOT"]), inner
            ).map(" ".join),
            inner.map(lambda one: f"({one})"),
            inner.map(lambda one: f"CASE WHEN {one} THEN 1 ELSE 0 END"),
            inner.map(lambda one: f"EXISTS (SELECT {one})"),
            inner.map(lambda one: f"(SELECT max({one}) FROM staff)"),
        ),
        max_leaves=4,
    )


def statements(engine: str) -> st.SearchStrategy[str]:
    expression = expressions(engine)
    source = st.one_of(
        TABLES, TABLES, pieces(engine, "SELECT ", "WITH ").map(lambda s: f"({s}) AS q")
    )

    def query(parts: tuple[str, str, str, str, str]) -> str:
        item, table, condition, gap, tail = parts
        return f"SELECT{gap}{item} FROM {table}{gap}WHERE {condition}{tail}"

    plain = st.tuples(expression, source, expression, BETWEEN, TAILS).map(query)
    return st.one_of(
        plain,
        plain,
        st.tuples(plain, plain).map(" UNION ALL ".join),
        st.tuples(pieces(engine, ""), plain).map(lambda p: f"WITH q AS ({p[0]}) {p[1]}"),
        st.tuples(plain, pieces(engine, "")).map("; ".join),
        pieces(engine, ""),
    )


@pytest.fixture(scope="module", params=ENGINES)
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    with staged(request.param, tmp_path_factory.mktemp("stage"), request) as one:
        yield one


def test_what_the_guard_lets_through_changes_nothing(stage: Stage) -> None:
    before, files = stage.state(), stage.files()
    permitted = PermittedDatabase(stage.database, PERMISSIONS)

    @settings(
        max_examples=EXAMPLES[stage.engine],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(statements(stage.engine).map(stage.sql))
    def holds(sql: str) -> None:
        refused = check(sql, dialect=stage.engine) is not None
        event("refused" if refused else "let through")
        if not refused:
            found = stage.database.execute(sql, limits=QUICK)
            assert not any(word in told(found) for word in SEEN)
        restricted = told(permitted.execute(sql, limits=QUICK))
        assert not any(word in restricted for word in HIDDEN if word not in sql)
        if stage.engine in {"sqlite", "duckdb"}:
            assert stage.state() == before

    holds()
    assert stage.state() == before
    assert stage.files() == files
    assert not stage.was_called()
