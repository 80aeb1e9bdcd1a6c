"""The audit log: what it holds, what it hides, and several processes that write to it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command import quorum
from quorumsql.api import connect
from quorumsql.config import Settings, database_home, load_settings
from quorumsql.domain import Failure, Rows
from quorumsql.errors import UsageError
from quorumsql.guard.redact import redact, redact_message
from quorumsql.stores.audit import AuditLog


def log(folder: Path, **more: Any) -> AuditLog:
    return AuditLog(folder, who="ana", database="shop", dialect="sqlite", **more)


def lines(folder: Path) -> list[dict[str, Any]]:
    files = [*sorted(folder.glob("audit-*.jsonl")), folder / "audit.jsonl"]
    found = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line) for line in found]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(overrides={"home": str(tmp_path / "home"), "who": "ana"})


def test_every_statement_is_recorded_before_and_after(shop: Path, settings: Settings) -> None:
    with connect(str(shop), settings=settings) as opened:
        assert isinstance(opened.sql("SELECT 'x' AS a, 17"), Rows)
        assert isinstance(opened.sql("DELETE FROM nothing WHERE a = 'private'"), Failure)
        assert isinstance(opened.sql("SELECT nonsense FROM nowhere"), Failure)
    folder = database_home(settings, str(shop))
    found = lines(folder)
    assert [one["event"] for one in found] == ["statement", "outcome"] * 3
    assert [one["status"] for one in found if "status" in one] == ["ok", "refused", "error"]
    assert {one["who"] for one in found} == {"ana"}
    assert found[0]["id"] == found[1]["id"] != found[2]["id"]
    assert found[0]["sql"] == "SELECT ? AS a, ?" and found[1]["rows"] == 1
    assert "DELETE" in found[3]["reason"]
    assert "private" not in json.dumps(found)
    assert stat.S_IMODE((folder / "audit.jsonl").stat().st_mode) == 0o600


def test_a_refused_table_is_recorded_with_its_reason(shop: Path, tmp_path: Path) -> None:
    settings = load_settings(
        overrides={
            "home": str(tmp_path / "home"),
            "permissions": {"allow": {"tables": ["nothing_*"]}},
        }
    )
    with connect(str(shop), settings=settings) as opened:
        assert isinstance(opened.sql("SELECT * FROM customers"), Failure)
    last = lines(database_home(settings, str(shop)))[-1]
    assert last["status"] == "refused" and "may be read" in last["reason"]


def test_values_are_kept_only_when_asked(tmp_path: Path) -> None:
    for values in (False, True):
        one = log(tmp_path / str(values), values=values)
        statement = one.began("SELECT * FROM t WHERE name = 'Alice' AND n = 987654321 -- note")
        message = "no such value 'Alice' near 987654321\nLINE 2: Alice"
        failure = Failure(kind="error", message=message)
        one.ended(statement, failure, seconds=0.0)
        text = json.dumps(lines(tmp_path / str(values)))
        assert ("Alice" in text) is values and ("987654321" in text) is values


@pytest.mark.parametrize(
    ("sql", "dialect", "wanted"),
    [
        ("SELECT a WHERE b = 'x' AND c = 1e3", "sqlite", "SELECT a WHERE b = ? AND c = ?"),
        ('SELECT "name" FROM t WHERE b = "Alice"', "sqlite", 'SELECT "name" FROM t WHERE b = ?'),
        ('SELECT "name" FROM "T"', "postgres", 'SELECT "name" FROM "T"'),
        ("SELECT $$secret$$, E'x', X'ff'", "postgres", "SELECT ?, ?, ?"),
        ("SELECT \"x\", _utf8mb4'y', 0xff", "mysql", "SELECT ?, _utf8mb4?, ?"),
        ("SELECT /* Alice */ 1 -- Bob", "sqlite", "SELECT ?"),
        ("SELECT 'unfinished", "sqlite", "(unreadable, 18 characters)"),
    ],
)
def test_values_are_taken_out(sql: str, dialect: str, wanted: str) -> None:
    assert redact(sql, dialect, names={"name", "t"}) == wanted


def test_a_message_keeps_its_words_only() -> None:
    message = "could not convert string 'Alice' to 17, see \"x\"\nLINE 1: SELECT 'Alice'"
    assert redact_message(message) == "could not convert string ? to ?, see ?"


def test_a_full_log_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    one = log(tmp_path, bytes=500, files=3)
    for number in range(40):
        one.ended(one.began(f"SELECT {number}"), Rows(columns=("a",), rows=()), seconds=0.001)
    aside = sorted(tmp_path.glob("audit-*.jsonl"))
    assert len(aside) == 3
    assert all(500 <= path.stat().st_size < 1_000 for path in aside)
    assert all("at" in line for line in lines(tmp_path))


def test_half_a_line_of_a_killed_process_does_no_harm(tmp_path: Path) -> None:
    one = log(tmp_path)
    (tmp_path / "audit.jsonl").write_text('{"at": "2026', encoding="utf-8")
    one.began("SELECT 1")
    written = (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert written[0] == '{"at": "2026' and json.loads(written[1])["event"] == "statement"


WRITER = """
import sys
from pathlib import Path
from quorumsql.domain import Rows
from quorumsql.stores.audit import AuditLog

folder, who = Path(sys.argv[1]), sys.argv[2]
log = AuditLog(folder, who=who, database="d", dialect="sqlite", bytes=20_000, files=99)
for number in range(150):
    log.ended(log.began(f"SELECT {number} FROM t"), Rows(columns=(), rows=()), seconds=0)
"""


def test_several_processes_lose_nothing(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", WRITER, str(tmp_path), f"writer {n}"] for n in range(3)]
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    found = lines(tmp_path)
    assert len(found) == 3 * 150 * 2
    assert len({one["id"] for one in found}) == 3 * 150
    assert len(list(tmp_path.glob("audit-*.jsonl"))) >= 3


def test_nothing_runs_unrecorded(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a folder should be", encoding="utf-8")
    home = {"home": str(tmp_path / "home")}
    must = load_settings(overrides={**home, "audit": {"enabled": True}})
    with pytest.raises(UsageError, match=r"audit log .* cannot be written .* QUORUM_HOME"):
        connect(str(shop), settings=must)
    off = load_settings(overrides={**home, "audit": {"enabled": False}})
    for settings in (off, load_settings(overrides=home)):  # nobody said that it must be kept
        with connect(str(shop), settings=settings) as opened:
            assert isinstance(opened.sql("SELECT 1"), Rows)


def test_questions_leave_their_statements(shop: Path, tmp_path: Path) -> None:
    done = quorum(
        "sql", "--db", str(shop), "SELECT 1", cwd=tmp_path, env={"QUORUM_HOME": str(tmp_path / "h")}
    )
    assert done.returncode == 0
    assert list((tmp_path / "h" / "databases").glob("shop-*/audit.jsonl"))
