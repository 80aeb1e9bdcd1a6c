"""Files that hold what a database stores or what people asked are their owner's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quorumsql.db import open_database
from quorumsql.disk import append, write_atomically
from quorumsql.stores.history import Asked, History
from quorumsql.stores.known import writing
from quorumsql.stores.values_segment import SegmentWriter
from quorumsql.stores.verdicts import Verdict, VerdictStore
from quorumsql.survey import FILE, survey
from sqlite_files import make

ASKED = Asked(id="a", at="now", question="q", sql="s", saved=True)
SAID = Verdict(at="now", who="ana", question="q", sql="s", confidence=0.5, right=True)


@pytest.fixture(params=[0o022, 0o000], ids=["022", "000"], autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """What new files lose of the rights that a program asks for."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: mode(path) for path in folder.iterdir()}


def test_an_index_is_its_owners_alone(tmp_path: Path) -> None:
    path = make(tmp_path / "a.sqlite", "CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('Lisbon');")
    home = tmp_path / "home"
    database = open_database(str(path))
    survey(database, home)
    survey(database, home, rebuild=True)
    database.close()
    assert mode(home) == 0o700
    found = modes(home)
    assert {FILE, FILE.replace(".sqlite", ".lock")} <= found.keys()
    assert any(name.endswith(".keys") for name in found)
    assert set(found.values()) == {0o600}


def test_keys_are_private_before_anything_is_in_them(tmp_path: Path) -> None:
    """Not made readable and closed afterwards: somebody could have opened them in between."""
    keys = SegmentWriter()
    keys.add(np.array([1, 2], np.uint64), np.array([1, 2], np.uint32))
    path, size, _ = keys.write(tmp_path / "index.sqlite")
    assert size == 2
    assert mode(path) == 0o600


def test_what_sqlite_puts_beside_an_index_is_too(tmp_path: Path) -> None:
    with writing(tmp_path / "home" / FILE) as known:
        known.write_note("a", "Lisbon")
        found = modes(tmp_path / "home")
    assert {f"{FILE}-wal", f"{FILE}-shm"} <= found.keys()
    assert set(found.values()) == {0o600}


def test_what_was_asked_and_said_is_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    VerdictStore(home / "verdicts.jsonl").add(SAID)
    History(home / "history.jsonl").add(ASKED)
    monkeypatch.setattr("quorumsql.stores.history._LONGEST_FILE", 10)
    History(home / "history.jsonl").add(ASKED)  # written anew
    assert mode(home) == 0o700
    assert set(modes(home).values()) == {0o600}


def test_files_that_people_name_are_like_their_others(tmp_path: Path, umask: int) -> None:
    write_atomically(tmp_path / "out.jsonl", ["x\n"])
    assert mode(tmp_path / "out.jsonl") == 0o666 & ~umask


def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "shared.jsonl"
    path.touch()
    path.chmod(0o640)
    append(path, b"x\n")
    assert mode(path) == 0o640
