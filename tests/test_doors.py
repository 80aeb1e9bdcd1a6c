"""`quorum chat`, `quorum trace` and OpenTelemetry: what happened, for people and for machines."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from command import command, complaint, quorum
from quorumsql import connect
from quorumsql.spans import spanned
from quorumsql.trace import Trace
from scripted import Scripted

ORDERS = 'SELECT COUNT(*) FROM "order"'
CITIES = "SELECT country, COUNT(*) AS cities FROM city GROUP BY country"


def test_a_conversation_in_the_terminal(shop: Path) -> None:
    said = "How many orders?\nand by status?\n/why\n/sql SELECT 41 + 1 AS sum\n/nope\n"
    said += "/sql DELETE FROM city\n"
    done = quorum("chat", "--db", shop, script={"one": [ORDERS]}, stdin=said)
    assert done.returncode == 0, done.stderr
    assert "7" in done.stdout and "shipped" in done.stdout and "42" in done.stdout
    assert "GROUP BY" in done.stdout and "answer before was changed" in done.stdout
    assert "/help" in done.stderr and "Traceback" not in done.stderr


def test_a_conversation_has_settings_and_what_one_must_know(shop: Path, tmp_path: Path) -> None:
    settings = tmp_path / "mine.toml"
    settings.write_text("[limits]\nrows = 2\n", encoding="utf-8")
    script = {"one": ["SELECT name FROM city", "SELECT name FROM customer"]}
    given = ("chat", "--db", shop, "--config", settings, "--evidence", "A place is a city.")
    done = quorum(*given, script=script, stdin="places\nonly the first 1\nother places\n")
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert done.stdout.count("2+ rows: name = ") == 2 + 2 and "LIMIT 1" in done.stdout
    assert "changed from the answer before" in done.stdout
    assert "nosuch.toml" in complaint(quorum("chat", "--db", shop, "--config", "nosuch.toml"), 2)


def test_a_chart_as_text(shop: Path) -> None:
    done = quorum("chat", "--db", shop, script={"one": [CITIES]}, stdin="cities\n/quit\nnever\n")
    assert "Portugal" in done.stdout and "█" * 40 in done.stdout and "never" not in done.stdout


def test_a_reading_is_taken_and_a_guess_shown(shop: Path) -> None:
    script = {"one": ["SELECT name FROM city"], "two": ["SELECT name FROM city LIMIT 2"]}
    said = "/a\n/guess\ncities\n/guess\n/b\nhow many is that?\n/new\n/b\n"
    done = quorum("chat", "--db", shop, script=script, stdin=said)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert done.stderr.count("no two readings") == 2 and "was not withheld" in done.stderr
    assert "/a or /b takes the one that you mean" in done.stdout
    assert "COUNT(*)" in done.stdout.partition("/a or /b")[2]


class Terminal:
    """`quorum chat` in a terminal of its own."""

    def __init__(self, shop: Path) -> None:
        self._here, there = os.openpty()
        line = [*command({"one": [CITIES]}, shop.parent), "chat", "--db", str(shop)]
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        self._process = subprocess.Popen(
            line, stdin=there, stdout=there, stderr=there, env=env, start_new_session=True
        )
        os.close(there)
        self._text = ""

    def type(self, keys: str) -> None:
        os.write(self._here, keys.encode())

    def shows(self, words: str) -> None:
        """Wait until the words come up, after what was seen before."""
        end = time.monotonic() + 60
        while words not in self._text:
            ready, _, _ = select.select([self._here], [], [], max(0.0, end - time.monotonic()))
            assert ready, self._text
            self._text += os.read(self._here, 65_536).decode("utf-8", "replace")
        self._text = self._text.partition(words)[2]

    def leave(self) -> None:
        """End the session; who types while no line is being read yet has to type again."""
        for _ in range(60):
            self.type("\x04")
            with suppress(subprocess.TimeoutExpired):
                assert self._process.wait(1) == 0
                break
        else:
            self._process.kill()
            pytest.fail("the session did not end")
        os.close(self._here)


def test_lines_are_completed_and_remembered(shop: Path) -> None:
    talk = Terminal(shop)
    talk.shows("ask away")
    talk.type("/sch\t\n")
    talk.shows("population")  # a column of the schema
    talk.type("/sql SELECT MAX(popul\t) + 1 FROM ci\t\n")
    talk.shows("13960001")
    talk.type("cities by country\n")
    talk.shows("█")
    talk.leave()
    again = Terminal(shop)
    again.shows("ask away")
    again.type("\x1b[A\x1b[A\n")  # the line before the last one
    again.shows("13960001")
    again.leave()


def test_a_trace_tells_the_story(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    asked = quorum(
        "ask", "--db", shop, "cities?", "--json", "--trace", file, script={"one": [CITIES]}
    )
    assert json.loads(asked.stdout)["row_count"] == 4
    shown = quorum("trace", file)
    assert (
        shown.returncode == 0
        and "refine" in shown.stdout
        and "answered: first choices agree; 1 result, " in shown.stdout
    )
    assert "ok, 4 rows: SELECT" in shown.stdout
    assert "missing" in complaint(quorum("trace", tmp_path / "missing"), 2)
    file.write_text("no event\n", encoding="utf-8")
    assert "Line 1" in complaint(quorum("trace", file), 2)


@pytest.mark.parametrize("content", [False, True])
def test_spans_follow_the_conventions(shop: Path, content: bool) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with connect(str(shop), generators=[Scripted("one", CITIES)]) as database:
        with spanned("sqlite", content=content, provider=provider) as (heard, answered):
            answered(database.ask("Which pomegranate?", trace=Trace(heard)))
    *stages, root = exporter.get_finished_spans()
    assert root.name == "invoke_agent quorumsql" and root.attributes is not None
    assert root.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert root.attributes["db.system.name"] == "sqlite"
    assert {"retrieve", "generate", "refine", "choose"} <= {span.name for span in stages}
    assert root.context is not None
    assert all(s.parent is not None and s.parent.span_id == root.context.span_id for s in stages)
    (event,) = root.events
    assert event.attributes is not None and event.attributes["db.response.returned_rows"] == 4
    written = "".join(span.to_json() for span in (*stages, root))
    assert ("pomegranate" in written) is content and ("SELECT" in written) is content


def test_a_failure_is_marked_without_its_text() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.raises(ValueError), spanned("sqlite", provider=provider):
        raise ValueError("secret")
    (root,) = exporter.get_finished_spans()
    assert root.status.status_code is StatusCode.ERROR and "secret" not in root.to_json()


def test_telemetry_is_a_setting(shop: Path) -> None:
    done = quorum(
        "ask", "--db", shop, "cities?", "--json",
        script={"one": [CITIES]}, env={"QUORUM_TELEMETRY_ENABLED": "true"},
    )  # fmt: skip
    assert json.loads(done.stdout)["row_count"] == 4
