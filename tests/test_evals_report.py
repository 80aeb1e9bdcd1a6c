"""The report: its figures, its page in a real browser, and values that want to be markup."""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

import evals_cases
from browser import opened, started
from evals_cases import Scripted, make_benchmark
from quorumsql.evals.compare import compare
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.filters import parse_filter
from quorumsql.evals.predictions import Prediction, Preview, Vote, read_predictions
from quorumsql.evals.report import render_report
from quorumsql.evals.report_items import pack
from quorumsql.evals.report_markdown import render_markdown
from quorumsql.evals.run import View, evaluate
from quorumsql.evals.summary import summarise

HOSTILE = (
    "<script>document.title='owned'</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "<svg/onload=alert(1)>",
    "https://evil.example/pixel.png",
    "![x](https://evil.example/pixel.png)",
    "```\n# title\n<b>bold</b>",
    "| cell | [link](javascript:alert(1)) |",
    "\u2028\u2029\u202egnp.exe\x1b[31m\x00",
    "\ud800",
    "{{constructor.constructor('alert(1)')()}}",
    "&lt;b&gt; &amp;",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as found:
        yield found


def run_folder(tmp_path: Path) -> Path:
    questions = make_benchmark(tmp_path)
    tasks = load_spider(questions, tmp_path / "database")
    view = View(slices=(parse_filter("joins = 0 and orderby > 0"),))
    evaluate(tasks, Scripted(), out=tmp_path / "run", config={"benchmark": "tiny"}, view=view)
    return tmp_path / "run"


def many(count: int, *, bulk: int = 1) -> list[Prediction]:
    """A run of any size, with hostile text everywhere and all kinds of outcome."""
    found = []
    for index in range(count):
        text = HOSTILE[index % len(HOSTILE)]
        right = index % 3 == 0
        preview = Preview(columns=(text, "n"), rows=((text * bulk, "1"), ("NULL", "2")), count=7)
        votes = tuple(
            Vote(
                generator=f"member/{place}",
                sql=f"SELECT {place}, '{text}' FROM t{index}",
                status="ok",
                weight=0.5,
                group=place % 2,
                correct=right,
            )
            for place in range(3)
        )
        found.append(
            Prediction(
                index=index,
                db_id=f"db{index % 7}{text if index % 50 == 1 else ''}",
                question=f"{text} question {index}",
                sql=None if index % 11 == 4 else f"SELECT '{text * bulk}', {index}",
                confidence=(index % 100) / 100,
                abstained=index % 13 == 5,
                correct=right,
                status="ok",
                unscored=f"gold does not run: {text}" if index % 97 == 1 else None,
                seconds=0.01,
                timings_ms={"generate": 5.0 + index % 9},
                candidates=votes,
                predicted_preview=None if right else preview,
                gold_preview=None if right else replace(preview, error=text if index % 5 else None),
                gold=f"SELECT '{text}' FROM a JOIN b",
                hardness=("easy", "medium", "hard", "extra", text)[index % 5],
                features={"joins": index % 4, "subquery": index % 2, "columns": 1},
                error=None if right else "other values",
                differs=() if right else ("columns", "values"),
            )
        )
    return found


def page_of(predictions: Sequence[Prediction], folder: Path, **more: Any) -> Path:
    path = folder / "report.html"
    config = {"benchmark": HOSTILE[0], "questions": HOSTILE[1]}
    text = render_report(summarise(predictions), predictions, config, **more)
    path.write_text(text, encoding="utf-8")
    return path


def data_of(page: str) -> dict[str, Any]:
    block = re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert block is not None
    found: dict[str, Any] = json.loads(block[1])
    return found


def test_the_summary_has_every_part(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert {name: part["n"] for name, part in summary["hardness"].items()} == {
        "easy": 4,
        "medium": 2,
    }
    (asked,) = summary["slices"]
    assert (asked["filter"], asked["n"], asked["correct"]) == ("joins = 0 and orderby > 0", 2, 1)
    by_filter = {part["filter"]: part["n"] for part in summary["features"]}
    assert by_filter["joins = 0"] == 6 and by_filter["aggregates > 0"] == 2
    assert summary["errors"] == {"no SQL": 1, "wrong order": 1}
    assert summary["differs"] == {"order": 1}
    assert summary["ceiling"] == 1.0
    bins = summary["reliability"]["bins"]
    assert sum(b["n"] for b in bins) == 6
    gap = sum(b["n"] * abs(b["confidence"] - b["execution_accuracy"]) for b in bins) / 6
    assert summary["reliability"]["ece"] == pytest.approx(gap)
    assert summary["usage"]["calls"] == 0


def test_the_page_holds_every_question(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    items = data_of((run / "report.html").read_text(encoding="utf-8"))["items"]
    assert [item["index"] for item in items] == list(range(6))
    wrong = items[1]
    assert wrong["gold"] == "SELECT name FROM pet ORDER BY weight DESC"
    assert wrong["gold_preview"]["rows"] != wrong["predicted_preview"]["rows"]
    assert len(wrong["candidates"]) == 3
    text = (run / "report.md").read_text(encoding="utf-8")
    assert "SELECT name FROM pet ORDER BY weight DESC" in text and "wrong order" in text


def test_a_page_in_a_browser_filters_and_shows(browser: Browser, tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    with opened(browser, run / "report.html") as found:
        page = found.page
        page.wait_for_selector("html[data-ready]")
        assert page.locator("#count").inner_text() == "2 of 6 questions, 0.0 % right"
        page.select_option("#verdict", "")
        assert page.locator("#count").inner_text().startswith("6 of 6 questions, 66.7 %")
        page.fill("#expression", "orderby > 0 and limit = 0")
        expect(page.locator(".card")).to_have_count(1)
        page.click(".card summary")
        expect(page.locator(".card")).to_contain_text("wrong order")
        expect(page.locator(".card table.result")).to_have_count(2)
        expect(page.locator(".card table.votes tbody tr")).to_have_count(3)
        page.fill("#expression", "orderby >")
        expect(page.locator("#problem")).not_to_be_empty()
        page.fill("#expression", "")
        page.click("button[data-filter=\"db = 'cities'\"]")
        expect(page.locator(".card")).to_have_count(3)
        assert found.complaints == []
        assert [url.partition(":")[0] for url in found.requests] == ["file"]


def test_filters_mean_the_same_in_the_page(browser: Browser, tmp_path: Path) -> None:
    known = json.loads((evals_cases.TESTS / "data/filters.json").read_text(encoding="utf-8"))
    path = page_of(many(3), tmp_path)
    with opened(browser, path) as found:
        found.page.wait_for_selector("html[data-ready]")
        fits = found.page.evaluate(
            """([texts, facts]) => {
                const names = JSON.parse(document.getElementById("data").textContent).names;
                return texts.map((text) => {
                  try {
                    const fits = parseFilter(text, names);
                    return facts.map((_, place) => place).filter((place) => fits(facts[place]));
                  } catch (error) { return String(error.message); }
                });
            }""",
            [[text for text, _ in known["cases"]] + known["errors"], known["facts"]],
        )
    expected = [fitting for _, fitting in known["cases"]]
    assert fits[: len(expected)] == expected
    assert [
        text
        for text, said in zip(known["errors"], fits[len(expected) :], strict=True)
        if not isinstance(said, str)
    ] == []


def test_hostile_values_stay_text(browser: Browser, tmp_path: Path) -> None:
    predictions = many(120)
    earlier = [replace(p, correct=not p.correct) for p in predictions]
    comparison = compare(earlier, predictions, names=(HOSTILE[0], HOSTILE[1]))
    path = page_of(predictions, tmp_path, comparison=comparison)
    raw = path.read_text(encoding="utf-8")
    assert raw.count("<script") == 2 and raw.count("</script>") == 2
    with opened(browser, path) as found:
        page = found.page
        page.wait_for_selector("html[data-ready]")
        page.select_option("#verdict", "")
        page.evaluate(
            "document.querySelectorAll('details').forEach((card) => { card.open = true })"
        )
        page.locator(".body").nth(49).wait_for(state="attached")
        assert (
            page.evaluate("document.querySelectorAll('img, iframe, a, link, object').length") == 0
        )
        assert page.locator("script").count() == 2
        assert page.title() != "owned"
        shown = page.locator(".card .question").first.text_content()
        assert shown == "<script>document.title='owned'</script> question 0"
        assert found.complaints == []
        assert len(found.requests) == 1
    with pytest.raises(UnicodeEncodeError):
        "\ud800".encode()
    assert raw.encode("utf-8")


def test_the_page_allows_no_request_and_no_other_script(browser: Browser, tmp_path: Path) -> None:
    path = page_of(many(5), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener, opened(browser, path) as found:
        listener.settimeout(0.2)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        page = found.page
        page.wait_for_selector("html[data-ready]")
        refused = page.evaluate(
            """async (address) => {
                let refused = 0;
                try { await fetch(address); } catch { refused += 1; }
                const script = document.createElement("script");
                script.textContent = "window.injected = true";
                document.body.append(script);
                const image = new Image();
                const failed = new Promise((done) => { image.onerror = () => done(1); });
                image.src = address;
                return refused + await failed + (window.injected ? 0 : 1);
            }""",
            address,
        )
        assert refused == 3
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_large_page_is_packed_and_still_works(browser: Browser, tmp_path: Path) -> None:
    predictions = many(4_000)
    path = page_of(predictions, tmp_path)
    assert path.stat().st_size <= 10_000_000
    assert 'data-packed="gzip"' in path.read_text(encoding="utf-8")
    with opened(browser, path) as found:
        page = found.page
        page.wait_for_selector("html[data-ready]")
        page.select_option("#verdict", "")
        assert page.locator("#count").inner_text().startswith("4000 of 4000")
        assert page.locator(".card").count() <= 150, "only what is looked at is in the page"
        page.fill("#expression", "joins > 1 and subquery = 0")
        expect(page.locator("#count")).to_have_text(re.compile("^1000 of 4000"))
        assert found.complaints == []


def test_a_page_never_grows_beyond_its_limit() -> None:
    random = Random(1)
    noise = "".join(chr(random.randrange(0x4E00, 0x9FFF)) for _ in range(20_000))
    predictions = [
        replace(p, sql=noise[p.index * 20 : p.index * 20 + 900]) for p in many(300, bulk=3)
    ]
    predictions = [
        replace(
            p,
            candidates=tuple(
                replace(v, sql=noise[p.index * 60 + n * 20 :][:150])
                for n, v in enumerate(p.candidates)
            ),
        )
        for p in predictions
    ]
    stages = []
    for largest in (9_000_000, 300_000, 200_000, 150_000, 100_000, 60_000, 35_000):
        packed = pack(predictions, {}, plain=1_000, largest=largest)
        assert packed.compressed and len(packed.text) <= largest
        found = json.loads(gzip.decompress(base64.b64decode(packed.text)))
        assert [item["index"] for item in found["items"]] == list(range(300))
        stages.append(packed.left_out)
    assert stages[0] == ""
    assert stages[-1].startswith("candidates, results and features are left out")
    assert len(set(stages)) >= 3


def test_markdown_cannot_be_broken_out_of() -> None:
    predictions = many(60)
    text = render_markdown(summarise(predictions), predictions, {"benchmark": HOSTILE[9]})
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    plain = re.sub(r"\\.", "", outside)
    for mark in ("<script", "<img", "<b>", "](", "![", "https://", "javascript:alert(1))", "\x1b"):
        assert mark not in plain, mark
    assert not re.search(r"^# title", outside, re.MULTILINE)


def test_an_empty_run_of_right_answers_has_a_report(browser: Browser, tmp_path: Path) -> None:
    right = [replace(p, correct=True, error=None, differs=()) for p in many(3)]
    with opened(browser, page_of(right, tmp_path)) as found:
        found.page.wait_for_selector("html[data-ready]")
        assert found.page.locator("#count").inner_text() == "0 of 3 questions"
        assert found.complaints == []


def test_reading_old_predictions_still_makes_a_report(tmp_path: Path) -> None:
    """Runs from before there were features, gold and errors in the file."""
    path = tmp_path / "predictions.jsonl"
    line = {"index": 0, "db_id": "a", "question": "q", "sql": None, "confidence": 0.0}
    line |= {"abstained": True, "correct": False, "status": "error"}
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    predictions = list(read_predictions(path).values())
    assert "unknown" in render_markdown(summarise(predictions), predictions, {})
    assert data_of(render_report(summarise(predictions), predictions, {}))["items"][0]["db"] == "a"
