"""Events are typed, keep their order, survive the file and hold no rows."""

from __future__ import annotations

import io
import json

import pytest

from quorumsql.errors import UsageError
from quorumsql.trace import (
    Asked,
    CandidateExecuted,
    CandidateWritten,
    Chosen,
    Event,
    GeneratorLost,
    Linked,
    StageEnded,
    StageStarted,
    Trace,
    Warned,
    read_events,
    write_events,
)
from scripted import failed, ran, written

ONE_OF_EACH: tuple[Event, ...] = (
    Asked(question="Où est Zoë?", database="shop"),
    StageStarted(stage="link"),
    StageEnded(stage="link", ms=1.25),
    Linked(tables=("city", "order"), columns=9, of_columns=30, said={"town": "city"}),
    CandidateWritten(generator="a", sql="SELECT\n1", weight=0.5, guessed=True),
    CandidateExecuted(
        generator="a", sql="SELECT 1", status="ok", weight=1.0, row_count=1, columns=("1",)
    ),
    GeneratorLost(generator="b", message="no weights"),
    Chosen(sql=None, rule="none", groups=0, votes=0.0, confidence=0.0, abstained=True),
    Warned(message="careful"),
)


def test_every_kind_of_event_survives_the_file() -> None:
    stream = io.StringIO()
    write_events(ONE_OF_EACH, stream)
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(ONE_OF_EACH)
    assert json.loads(lines[2]) == {"event": "StageEnded", "stage": "link", "ms": 1.25}
    assert tuple(read_events([*lines, "", "  "])) == ONE_OF_EACH


@pytest.mark.parametrize(
    "line", ["nonsense", "[]", "3", "{}", '{"event": "Nope"}', '{"event": "Warned"}',
             '{"event": "Warned", "message": "m", "extra": 1}'],
)  # fmt: skip
def test_a_line_that_is_no_event_is_named(line: str) -> None:
    with pytest.raises(UsageError, match="Line 2 is not a trace event"):
        list(read_events(['{"event": "StageStarted", "stage": "link"}', line]))


def test_stages_are_timed_even_when_they_raise() -> None:
    trace = Trace()
    with trace.stage("link"):
        pass
    with pytest.raises(KeyError), trace.stage("refine"):
        raise KeyError("x")
    assert list(trace.timings_ms) == ["link", "refine"]
    assert all(ms >= 0 for ms in trace.timings_ms.values())
    assert [type(e).__name__ for e in trace.events] == ["StageStarted", "StageEnded"] * 2


def test_a_listener_hears_events_as_they_happen() -> None:
    heard: list[Event] = []
    trace = Trace(heard.append)
    trace.add(Warned(message="one"))
    assert heard == [Warned(message="one")] == list(trace.events)


def test_executions_are_counted_not_copied() -> None:
    trace = Trace()
    trace.written([written("SELECT secret FROM t", generator="g", weight=0.25)])
    trace.executed(
        [ran("SELECT secret", ("hunter2",), ("x",)), failed("SELECT y"), written("SELECT z")]
    )
    stream = io.StringIO()
    write_events(trace.events, stream)
    assert "hunter2" not in stream.getvalue()
    executed = [e for e in trace.events if isinstance(e, CandidateExecuted)]
    assert [(e.status, e.row_count, e.columns, e.error) for e in executed] == [
        ("ok", 2, ("c0",), None),
        ("error", 0, (), "no such column"),
        ("error", 0, (), "not run"),
    ]
