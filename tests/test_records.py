"""JSON lines that are only added to survive what happens to files."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorumsql.errors import UsageError
from quorumsql.stores.history import Asked, History
from quorumsql.stores.records import add_records, read_records
from quorumsql.stores.verdicts import Verdict, VerdictStore


def test_a_line_that_was_cut_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "new" / "some.jsonl"
    assert list(read_records(path)) == []
    add_records(path, [{"n": 1}])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"n": 2, "cut')
    add_records(path, [{"n": 3}])
    assert list(read_records(path)) == [{"n": 1}, {"n": 3}]


def test_only_a_newline_ends_a_record(tmp_path: Path) -> None:
    """Texts hold what Python takes for line breaks too: U+0085, U+2028, a form feed."""
    path, said = tmp_path / "some.jsonl", {"said": "a\u0085b\u2028c\u2029d\x0be\x0cf\x1cg\r\nh"}
    add_records(path, [said, said])
    assert list(read_records(path)) == [said, said]


def test_history_and_verdicts_go_on_behind_a_cut_line(tmp_path: Path) -> None:
    history, verdicts = tmp_path / "history.jsonl", tmp_path / "verdicts.jsonl"
    for path in (history, verdicts):
        path.write_text('{"id": "x", "at', encoding="utf-8")
    said = Verdict(at="now", who="ana", question="q", sql="s", confidence=0.5, right=True)
    VerdictStore(verdicts).add(said)
    assert list(VerdictStore(verdicts).all()) == [said]
    asked = Asked(id="a", at="now", question="q", sql="s")
    History(history).add(asked)
    assert [entry.id for entry in History(history).all()] == ["a"]


def test_what_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        list(read_records(tmp_path))
    with pytest.raises(UsageError, match="cannot be written"):
        add_records(tmp_path, [{"n": 1}])


def test_an_entry_that_lacks_something_is_passed_over(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    kept = Asked(id="a", at="now", question="q", sql="s")
    history.add(kept)
    damaged = [{"id": "a", "at": "t"}, {"id": "b", "at": "t", "question": "q"}, {"id": "c"}]
    add_records(tmp_path / "history.jsonl", damaged)
    assert history.all() == (kept,)
    history.mark("a", saved=True)
    assert [entry.saved for entry in history.all()] == [True]
