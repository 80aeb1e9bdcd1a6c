"""With the tree check switched off the engine alone holds, for the account that doctor prints.

Nothing is written, no file or network is touched, no statement runs beyond its deadline and half
a second, and the client keeps within its memory.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from corpus import ENGINES, Hostile, corpus
from stage import HIDDEN, LIMITS, PERMISSIONS, SEEN, Stage, staged, told

from punctual import in_time
from quorumsql.db import PermittedDatabase
from quorumsql.domain import Failure
from quorumsql.errors import DatabaseError

GRACE = 0.5
CLIENT_MEMORY = 160 * 1024 * 1024
MORE_MEMORY = 80 * 1024 * 1024
"""At worst libpq reads a row of 100 MB in one go, and holds it twice before it is refused."""


@pytest.fixture(scope="module", params=ENGINES)
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    with staged(request.param, tmp_path_factory.mktemp("stage"), request) as one:
        yield one


def peak_memory() -> int:
    """The most memory that this process has had since it was last asked."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return int(found[1]) * 1024


def late(stage: Stage, sql: str) -> float:
    """How many seconds beyond its deadline a statement ran."""
    started = time.monotonic()
    try:
        found = stage.attack(sql)
    except DatabaseError as error:
        pytest.fail(f"the database was lost by {sql!r}: {error}")
    took = time.monotonic() - started
    assert not any(word in told(found) for word in SEEN), sql
    return took - LIMITS.seconds


def chunks(hostile: list[Hostile]) -> Iterator[list[Hostile]]:
    for kind in dict.fromkeys(one.kind for one in hostile):
        yield [one for one in hostile if one.kind == kind]


def test_the_engine_alone_holds(stage: Stage) -> None:
    hostile = [one for one in corpus(stage.engine) if "engine" in one.layers]
    before, files = stage.state(), stage.files()
    memory = peak_memory()
    for chunk in chunks(hostile):
        for one in chunk:
            sql = stage.sql(one.sql)
            in_time(GRACE, partial(late, stage, sql), what=repr(sql[:200]))
            used = peak_memory() - memory
            most = CLIENT_MEMORY + (MORE_MEMORY if stage.engine == "postgres" else 0)
            assert used <= most, f"{used / 2**20:.0f} MiB: {sql[:200]!r}"
        assert stage.state() == before, f"changed by one of {[one.sql for one in chunk]}"
        assert stage.files() == files, f"files written by one of {[one.sql for one in chunk]}"
        assert not stage.was_called(), f"network used by one of {[one.sql for one in chunk]}"


def test_the_tree_check_and_the_engine_together_change_nothing(stage: Stage) -> None:
    """Through the front door nothing hostile even reaches the engine."""
    before = stage.state()
    for one in corpus(stage.engine):
        if "tree" in one.layers and not one.is_policy:
            found = stage.database.execute(stage.sql(one.sql), limits=LIMITS)
            assert isinstance(found, Failure), one.sql
    assert stage.state() == before


def test_no_policy_is_escaped(stage: Stage) -> None:
    permitted = PermittedDatabase(stage.database, PERMISSIONS)
    shown = 0
    for one in corpus(stage.engine):
        if one.is_policy:
            found = permitted.execute(stage.sql(one.sql), limits=LIMITS)
            words = told(found)
            assert not any(word in words for word in HIDDEN), (one.sql, words)
            if isinstance(found, Failure):
                assert not any(word in found.message for word in HIDDEN), (one.sql, found)
            else:
                shown += 1
    assert shown >= 15, "permissions that allow nothing prove nothing"


def test_what_may_not_be_read_is_not_described(stage: Stage) -> None:
    permitted = PermittedDatabase(stage.database, PERMISSIONS)
    schema = permitted.schema()
    assert {t.name for t in schema.tables} >= {"staff", "note", "big", "romans"}
    assert not {"secret", "pay"} & {t.name for t in schema.tables}
    staff = schema.table("staff")
    assert staff is not None
    assert [c.name for c in staff.columns] == ["id", "name", "city", "phone"]
    assert not any(word in repr(schema) for word in HIDDEN)
    assert permitted.values("staff", "name", limit=9) == ("Ann", "Cyd")
    assert permitted.values("staff", "phone", limit=9) == ()
    assert permitted.values("romans", "phone", limit=9) == ()
    assert "Ann" in repr(staff), "what may be read still has examples"


@pytest.fixture(autouse=True, scope="module")
def _needs_proc() -> None:
    if not os.path.exists("/proc/self/clear_refs"):
        pytest.skip("peak memory is measured through /proc")
