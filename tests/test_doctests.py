"""Examples in the docstrings of what people import run as they stand, on the sample company."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import quorumsql.answered
import quorumsql.api
from quorumsql import connect
from quorumsql.sample import build_sample


def test_examples_of_docstrings_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_sample(tmp_path / "company.sqlite")
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(quorumsql.api)
    assert found.failed == 0 and found.attempted >= 5
    with connect("company.sqlite") as database:
        known = {"answer": database.ask("How many orders are there?")}
        found = doctest.testmod(quorumsql.answered, extraglobs=known)
    assert found.failed == 0 and found.attempted >= 4
