"""index, values, profile and describe as real processes, with the formats that others call."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from command import command, complaint, parsed, quorum
from punctual import wait_until
from sqlite_files import make, unchanged


@pytest.fixture
def hotel(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return make(
        folder / "hotel.sqlite",
        """
        CREATE TABLE guest (id INTEGER PRIMARY KEY, name TEXT, email TEXT, api_key TEXT);
        CREATE TABLE stay (guest_id INTEGER REFERENCES guest (id), city TEXT, price REAL);
        INSERT INTO guest VALUES (1, 'Grace Andersson', 'grace@example.com', 'k-111');
        INSERT INTO guest VALUES (2, 'José O''Neil', 'jose@example.com', 'k-222');
        INSERT INTO stay VALUES (1, 'New York', 120.5), (2, 'Oslo', 80), (2, 'New York', 99);
        """,
    )


def test_index_reads_once_and_says_what_it_did(hotel: Path) -> None:
    with unchanged(hotel.parent):
        first = parsed(quorum("index", "--db", hotel, "--json"))
        again = parsed(quorum("index", "--db", f"sqlite:///{hotel}", "--json"))
    assert (first["read"], first["unchanged"], first["failed"]) == (["guest", "stay"], 0, [])
    assert (again["read"], again["unchanged"]) == ([], 2)
    assert first["values"] == again["values"] == 6
    rebuilt = quorum("index", "--db", hotel, "--rebuild")
    assert "2 tables read" in rebuilt.stdout


def test_values_has_the_form_of_the_contract(hotel: Path) -> None:
    finished = quorum("values", "--db", hotel, "--json", "stays in new yrok")
    assert finished.returncode == 0
    hits = json.loads(finished.stdout)
    assert list(hits[0]) == ["table", "column", "value", "score", "match"]
    assert (hits[0]["table"], hits[0]["column"], hits[0]["value"]) == ("stay", "city", "New York")
    assert json.loads(quorum("values", "--db", hotel, "--json", "nothing").stdout) == []
    assert "Grace Andersson" in quorum("values", "--db", hotel, "-", stdin="Andersson?").stdout


def test_values_looks_into_what_changed_meanwhile(hotel: Path) -> None:
    quorum("index", "--db", hotel)
    with closing(sqlite3.connect(hotel)) as connection:
        connection.execute("INSERT INTO stay VALUES (1, 'Reykjavík', 1)")
        connection.commit()
    hits = json.loads(quorum("values", "--db", hotel, "--json", "reykjavik").stdout)
    assert hits[0]["value"] == "Reykjavík"


def test_profile_shows_values_but_no_secrets(hotel: Path) -> None:
    page = quorum("profile", "--db", hotel)
    assert page.returncode == 0
    for word in ("guest", "New York", "80.0 … 120.5", "identifier", "(email: not shown)"):
        assert word in page.stdout
    report = parsed(quorum("profile", "--db", hotel, "--json", "--table", "guest"))
    (guest,) = report["tables"]
    assert guest["rows"] == 2
    assert [column["column"] for column in guest["columns"]] == ["id", "name", "email", "api_key"]
    for text in ("k-111", "grace@example.com"):
        assert text not in page.stdout + json.dumps(report)
    assert "guest" in complaint(quorum("profile", "--db", hotel, "--table", "gest"), 2)


def test_profile_cuts_no_value_where_there_is_no_terminal(hotel: Path) -> None:
    names = [f"A guest whose name is rather long, number {n}" for n in range(6)]
    with closing(sqlite3.connect(hotel)) as connection:
        connection.execute("CREATE TABLE club (member TEXT)")
        connection.executemany("INSERT INTO club VALUES (?)", [(name,) for name in names])
        connection.commit()
    page = quorum("profile", "--db", hotel, "--table", "club", env={"COLUMNS": "60"}).stdout
    assert all(name in page for name in names)


def test_descriptions_reach_the_schema_and_survive_another_run(hotel: Path) -> None:
    found = parsed(quorum("describe", "--db", hotel, "--json"))
    assert found["columns"]["stay"]["guest_id"] == "guest id: refers to guest.id"
    file = Path(found["file"])
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("city: 2 different", "where they slept"), encoding="utf-8")
    again = parsed(quorum("describe", "--db", hotel, "--json"))
    assert again["columns"]["stay"]["city"].startswith("where they slept")
    shown = quorum("schema", "--db", hotel).stdout
    assert "(city:TEXT, where they slept, e.g. New York, Examples: [New York" in shown
    file.write_text("[broken", encoding="utf-8")
    assert "descriptions.toml" in complaint(quorum("schema", "--db", hotel), 2)


def test_patterns_in_the_settings_keep_columns_unread(hotel: Path) -> None:
    env = {"QUORUM_UNREAD": "*.name,stay.city"}
    report = parsed(quorum("index", "--db", hotel, "--json", env=env))
    assert report["values"] == 2
    finished = quorum("values", "--db", hotel, "--json", "Grace Andersson", env=env)
    assert not any(hit["column"] == "name" for hit in json.loads(finished.stdout))


@pytest.mark.parametrize(
    "words", [("values", "--db", "missing.sqlite", "x"), ("index", "--db", "missing.sqlite")]
)
def test_a_missing_database_is_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    assert "missing.sqlite" in complaint(quorum(*words, cwd=tmp_path), 2)


def test_an_empty_phrase_is_one_line(hotel: Path) -> None:
    assert "empty" in complaint(quorum("values", "--db", hotel, "  "), 2)


def test_a_killed_index_is_completed_by_the_next(hotel: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(hotel)) as connection:
        for number in range(40):
            connection.execute(f"CREATE TABLE t{number} (x TEXT)")
            rows = ((f"word {number} {n}",) for n in range(500))
            connection.executemany(f"INSERT INTO t{number} VALUES (?)", rows)
        connection.commit()
    home = {"QUORUM_HOME": str(tmp_path / "home")}
    with subprocess.Popen(
        [*command(None, tmp_path), "index", "--db", str(hotel)],
        env={**os.environ, **home},
        stdout=subprocess.DEVNULL,
    ) as process:
        wait_until(lambda: any((tmp_path / "home").rglob("known.sqlite")), seconds=300)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
    report = parsed(quorum("index", "--db", hotel, "--json", env=home))
    assert len(report["read"]) + report["unchanged"] == 42
    finished = quorum("values", "--db", hotel, "--json", "word 39 499", env=home)
    assert json.loads(finished.stdout)[0]["value"] == "word 39 499"


def test_two_processes_that_index_at_once_both_end_well(hotel: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(hotel)) as connection:
        rows = ((f"Street {n}",) for n in range(4_000))
        connection.executemany("INSERT INTO stay (city) VALUES (?)", rows)
        connection.commit()
    home = {"QUORUM_HOME": str(tmp_path / "home")}
    words = [*command(None, tmp_path), "index", "--db", str(hotel), "--json"]
    both = [
        subprocess.Popen(words, env={**os.environ, **home}, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    reports = [json.loads(one.communicate(timeout=120)[0]) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert {report["values"] for report in reports} == {4_006}
    assert sorted(len(report["read"]) for report in reports) in ([0, 2], [2, 2])
    finished = quorum("values", "--db", hotel, "--json", "Street 3999", env=home)
    assert json.loads(finished.stdout)[0]["value"] == "Street 3999"
