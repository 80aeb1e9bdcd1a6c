"""`quorum doctor`: what a connection could do, and the SQL for one that could not."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

import servers
from command import quorum
from quorumsql.db.doctor import examine_connection

SCRIPT = """
CREATE TABLE staff (id INTEGER PRIMARY KEY, name VARCHAR(40));
INSERT INTO staff VALUES (1, 'Ann');
CREATE VIEW names AS SELECT name FROM staff;
"""


def remedy(report: Mapping[str, str]) -> str:
    """The SQL that was printed, for an account of this test's own."""
    text = report["remedy"].replace("CHANGE-ME", servers.PASSWORD)
    return text.replace("quorum_reader", "quorum_doctor")


def test_a_file_that_may_be_written_is_a_danger(shop: Path, tmp_path: Path) -> None:
    done = quorum("doctor", "--db", str(shop), "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["engine"] == "SQLite"
    assert not report["safe"]
    assert any("may be written" in one["what"] for one in report["findings"])
    assert "chmod" in report["remedy"]


def test_words_for_people(shop: Path, tmp_path: Path) -> None:
    done = quorum("doctor", "--db", str(shop), cwd=tmp_path)
    assert done.returncode == 0
    assert "can do more than read" in done.stdout and "chown" in done.stdout
    strict = quorum("doctor", "--db", str(shop), "--strict", cwd=tmp_path)
    assert strict.returncode == 2 and len(strict.stderr.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions of files")
def test_root_is_told_so(shop: Path) -> None:
    shop.chmod(0o444)
    report = examine_connection(f"sqlite:///{shop}")
    assert any("root" in f.what for f in report.findings) is (os.geteuid() == 0)


def test_data_files_are_looked_at_without_reading_them(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("a,b\n1", encoding="utf-8")
    report = examine_connection(str(tmp_path / "sales.csv"))
    assert report.engine == "Data files" and "Data files have no roles" in report.remedy


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    done = quorum("doctor", "--db", str(tmp_path / "none.sqlite"), cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_a_superuser_of_postgresql_and_the_role_it_is_told_to_make(
    postgresql_server: servers.Server, tmp_path: Path
) -> None:
    more = 'CREATE SCHEMA "h r"; CREATE TABLE "h r"."Pay" (id serial, who text);'
    url = servers.make_postgresql(postgresql_server, "doctor", SCRIPT + more)
    done = quorum("doctor", "--db", url, "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    words = " ".join(one["what"] for one in report["findings"])
    assert not report["safe"] and "superuser" in words and "may change 3 tables" in words
    assert servers.PASSWORD not in done.stdout + done.stderr
    with closing(servers.postgresql_owner(postgresql_server, "doctor")) as owner:
        owner.execute(b"DROP ROLE IF EXISTS quorum_doctor")
        owner.execute(remedy(report).encode())
        reader = examine_connection(postgresql_server.url("doctor", user="quorum_doctor"))
        owner.execute(b"DROP OWNED BY quorum_doctor; DROP ROLE quorum_doctor")
    assert reader.is_safe and reader.user == "quorum_doctor", reader.findings


def test_an_administrator_of_mariadb_and_the_account_it_is_told_to_make(
    mariadb_server: servers.Server, tmp_path: Path
) -> None:
    url = servers.make_mariadb(mariadb_server, "doctor_1", SCRIPT)
    done = quorum("doctor", "--db", url, "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert not report["safe"] and "ALL PRIVILEGES" in done.stdout
    assert servers.PASSWORD not in done.stdout + done.stderr
    statements = [line for line in remedy(report).splitlines() if not line.startswith("--")]
    with closing(servers.mariadb_owner(mariadb_server)) as owner, owner.cursor() as cursor:
        cursor.execute("DROP USER IF EXISTS quorum_doctor")
        for statement in statements:
            cursor.execute(statement)
        reader = examine_connection(mariadb_server.url("doctor_1", user="quorum_doctor"))
        cursor.execute("DROP USER quorum_doctor")
    assert reader.is_safe and reader.user.startswith("quorum_doctor"), reader.findings
