"""The Python door: connect, ask, and the JSON object that every door prints."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import quorumsql
from quorumsql.api import answer_object, connect, json_value, policy_of
from quorumsql.config import Settings, database_home, load_settings
from quorumsql.domain import Answer, Choice, Failure, Limits, Rows
from quorumsql.errors import DatabaseError, UnknownName, UsageError
from quorumsql.pipeline import Policy
from quorumsql.trace import StageEnded, Trace
from scripted import Scripted

COUNT = "SELECT count(*) FROM customer"
KEYS = (
    "question sql columns rows row_count truncated confidence abstained reason candidates "
    "timings_ms usage"
).split()


def test_a_connection_answers_and_describes_itself(shop: Path) -> None:
    with connect(f"sqlite:///{shop}", generators=[Scripted("a", COUNT)]) as db:
        assert (db.name, db.dialect) == ("shop", "sqlite")
        assert db.schema.table("customer") is not None
        answer = db.ask("How many customers are there?", evidence="customers are people")
        assert answer.rows == ((6,),)


def test_statements_go_through_the_guard(shop: Path) -> None:
    with connect(str(shop)) as db:
        assert db.sql(COUNT) == Rows(columns=("count(*)",), rows=((6,),))
        refused = db.sql("DELETE FROM customer")
        assert isinstance(refused, Failure)
        assert refused.kind == "refused"


def test_a_database_whose_descriptions_cannot_be_read_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = tmp_path / "people.csv"
    people.write_text("name,age\nAda,36\n", encoding="utf-8")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settings = load_settings()
    home = database_home(settings, str(people))
    home.mkdir(parents=True)
    (home / "descriptions.toml").write_text("no = [toml", encoding="utf-8")
    with pytest.raises(UsageError, match="descriptions"):
        connect(str(people), settings=settings)
    assert not list(tmp_path.glob("quorumsql-*")), "its process and its folder are still there"


def test_the_settings_limits_hold(shop: Path) -> None:
    settings = Settings(limits=Limits(rows=2))
    with connect(str(shop), settings=settings) as db:
        result = db.sql("SELECT name FROM customer")
        assert isinstance(result, Rows)
        assert (len(result.rows), result.truncated) == (2, True)
        assert db.settings is settings


def test_evidence_reaches_the_generators_and_the_trace_its_caller(shop: Path) -> None:
    one, trace = Scripted("one", COUNT), Trace()
    with connect(str(shop), generators=[one]) as db:
        db.ask("How many?", evidence="n means name", trace=trace)
    assert one.briefs[0].question.evidence == "n means name"
    assert any(isinstance(event, StageEnded) for event in trace.events)


def test_the_second_question_builds_nothing_again(shop: Path) -> None:
    one = Scripted("one", COUNT)
    with connect(str(shop), generators=[one]) as db:
        db.ask("How many?")
        read: list[str] = []
        database = db._database
        values = database.values
        database.values = lambda *a, **k: read.append("values") or values(*a, **k)  # type: ignore[method-assign, func-returns-value]
        db.ask("How many customers?")
    assert read == []
    assert one.briefs[0].schema is one.briefs[1].schema


def test_a_blank_question_is_refused_before_anything_is_loaded(shop: Path) -> None:
    with connect(str(shop)) as db:
        with pytest.raises(UsageError, match="question is empty"):
            db.ask(" \n")
        assert db._pipeline is None


def test_settings_and_pipeline_have_the_same_defaults(tmp_path: Path) -> None:
    assert policy_of(Settings()) == Policy()
    assert policy_of(load_settings(environ={"HOME": str(tmp_path)})) == Policy()
    assert policy_of(Settings(max_columns=7, limits=Limits(rows=3))).limits.rows == 3


def test_closing_twice_is_fine(shop: Path) -> None:
    db = connect(str(shop))
    db.close()
    db.close()


def test_what_does_not_exist_is_named(tmp_path: Path, shop: Path) -> None:
    with pytest.raises(DatabaseError, match="gone"):
        connect(str(tmp_path / "gone.sqlite")).ask("How many?")
    with pytest.raises(UnknownName, match=r"'embeded'\. Did you mean 'embedded'"):
        connect(str(shop), settings=Settings(generators=("embeded",)))


def test_the_object_of_an_answer(shop: Path) -> None:
    pair = [
        Scripted("a", "SELECT nope", "SELECT id, name FROM city WHERE id > 3"),
        Scripted("b", "SELECT id, name FROM city WHERE id = 1"),
    ]
    with connect(str(shop), generators=pair) as db:
        found = answer_object(db.ask("Which cities?"))
    assert set(KEYS) <= set(found)
    added = {"clarify", "effective_candidates", "readings", "usage_by_stage", "warnings", "why"}
    assert set(found) - set(KEYS) == added
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["columns"] == ["id", "name"]
    assert found["rows"] == [[4, "東京"], [5, "Lisbon"]]
    assert (found["row_count"], found["truncated"], found["reason"]) == (2, False, None)
    assert [c["status"] for c in found["candidates"]] == ["error", "ok", "ok"]
    assert [c["group"] for c in found["candidates"]] == [None, 0, 1]
    assert found["candidates"][0]["error"]
    assert found["usage"] == {"calls": 0, "input_tokens": 0, "output_tokens": 0, "usd": 0.0}
    assert set(found["timings_ms"]) >= {"retrieve", "link", "generate", "refine", "choose"}


def test_the_object_of_an_abstention_has_the_same_keys() -> None:
    empty = Answer(
        question="q", sql=None, execution=None, confidence=0.0, abstained=True,
        reason="unanswerable", choice=Choice(candidate=None),
    )  # fmt: skip
    found = answer_object(empty)
    assert set(KEYS) <= set(found)
    assert (found["sql"], found["columns"], found["rows"]) == (None, [], [])


UTC_NOON = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("é", "é"),
        (7, 7),
        (2**63 - 1, 2**63 - 1),
        (2**70, str(2**70)),
        (-(2**70), str(-(2**70))),
        (0.1, 0.1),
        (float("nan"), None),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (Decimal("12.50"), 12.5),
        (Decimal("NaN"), None),
        (b"\x00\xff", "0x00ff"),
        (memoryview(b"a"), "0x61"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (UTC_NOON, "2024-02-29T12:00:00+00:00"),
        (datetime.time(1, 2), "01:02:00"),
        (datetime.timedelta(days=1), "1 day, 0:00:00"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([1, Decimal(2), {"a": b"\x01"}], [1, 2.0, {"a": "0x01"}]),
    ],
)
def test_every_value_has_a_json_form(value: object, expected: Any) -> None:
    assert json_value(value) == expected
    json.dumps(json_value(value), allow_nan=False)


def test_the_package_exports_what_it_says() -> None:
    for name in quorumsql.__all__:
        assert getattr(quorumsql, name) is not None
    assert dir(quorumsql) == sorted(quorumsql.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        quorumsql.nonsense  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, quorumsql, quorumsql.config\n"
        "heavy = 'onnxruntime pandas torch sqlalchemy sqlglot numpy pydantic rapidfuzz'.split()\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
