"""How long the report of many predictions takes, how large its page is, how fast it filters.

The predictions are made up from the sample company's schema: SQL of the usual length, five
candidates each, results with text in them. A real Chromium opens the page, where one is installed.

    python benchmarks/report_speed.py [--count 10000]

What is not covered: answering and scoring.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from quorumsql.evals.compare import compare
from quorumsql.evals.diagnose import ERRORS
from quorumsql.evals.features import features_of, level_of
from quorumsql.evals.predictions import Prediction, Preview, Vote, read_predictions, to_line
from quorumsql.evals.report import render_report
from quorumsql.evals.report_markdown import render_markdown
from quorumsql.evals.summary import summarise

FILTERS = ("joins > 1 and subquery = 0", "hardness = extra or confidence > 80%", "question ~ 'a'")


def main(
    count: Annotated[int, typer.Option(help="How many predictions.")] = 10_000,
    databases: Annotated[int, typer.Option(help="Over how many databases.")] = 20,
) -> None:
    """Print times and sizes as Markdown."""
    predictions = made_up(count, databases)
    other = made_up(count, databases, seed=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "predictions.jsonl").write_text("".join(map(to_line, predictions)))
        clock = _Clock()
        read = list(read_predictions(folder / "predictions.jsonl").values())
        clock.lap("read predictions.jsonl")
        summary = summarise(read)
        clock.lap("summarise, intervals included")
        comparison = compare(other, read, names=("a", "b"))
        clock.lap("compare with another run")
        page = render_report(summary, read, {"benchmark": "made up"}, comparison)
        clock.lap("HTML page")
        text = render_markdown(summary, read, {"benchmark": "made up"}, comparison)
        clock.lap("Markdown")
        clock.lap("all", total=True)
        path = folder / "report.html"
        path.write_text(page, encoding="utf-8")
        print("\n| | |\n|---|---|")
        print(f"| predictions | {count} |")
        print(f"| page | {path.stat().st_size / 1e6:.1f} MB |")
        print(f"| Markdown | {len(text) / 1e3:.0f} kB |")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| peak memory | {memory:.0f} MB |")
        in_browser(path)


def made_up(count: int, databases: int, *, seed: int = 1) -> list[Prediction]:
    """Predictions with all that a real run has."""
    dice = random.Random(seed)
    shapes = [
        "SELECT count(*) FROM customers WHERE city = '{}'",
        "SELECT name, price FROM products WHERE price > {} ORDER BY price DESC LIMIT 5",
        "SELECT departments.name, avg(salary) FROM departments JOIN employees USING "
        "(department_id) WHERE hire_date > '{}' GROUP BY department_id HAVING count(*) > 3",
        "SELECT customers.name FROM customers JOIN orders USING (customer_id) JOIN order_items "
        "USING (order_id) WHERE unit_price < {} GROUP BY customer_id ORDER BY sum(quantity) DESC",
        "SELECT name FROM products WHERE product_id NOT IN (SELECT product_id FROM "
        "product_suppliers WHERE unit_cost > {})",
    ]
    words = "average customer region product supplier order price salary city name".split()
    errors = list(ERRORS)[7:]

    def names(index: int) -> str:
        return " ".join(random.Random(index).choices(words, k=9))  # the same in every run

    found = []
    for index in range(count):
        gold, *sqls = (dice.choice(shapes).format(dice.randrange(10_000)) for _ in range(6))
        right = dice.random() < 0.6
        rows = tuple((f"{dice.choice(words)} {dice.random():.5f}", str(index)) for _ in range(5))
        preview = Preview(columns=("name", "n"), rows=rows, count=dice.randrange(5, 900))
        votes = tuple(
            Vote(
                generator=f"embedded/{n}",
                sql=sql,
                status="ok",
                weight=round(dice.random(), 4),
                group=n % 3,
                correct=right,
            )
            for n, sql in enumerate(sqls)
        )
        found.append(
            Prediction(
                index=index,
                db_id=f"database_{index % databases}",
                question=f"What is the {names(index)} number {index}?",
                sql=gold if right else sqls[0],
                confidence=dice.random(),
                abstained=dice.random() < 0.1,
                correct=right,
                status="ok",
                seconds=dice.random() / 5,
                timings_ms={s: dice.random() * 50 for s in ("link", "generate", "refine")},
                candidates=votes,
                predicted_preview=None if right else preview,
                gold_preview=None if right else preview,
                gold=gold,
                hardness=level_of(gold, "sqlite"),
                features=features_of(gold, "sqlite"),
                error=None if right else dice.choice(errors),
                differs=() if right else ("columns", "values"),
            )
        )
    return found


def in_browser(path: Path) -> None:
    """Open the page in a real Chromium; time filters until the list is drawn."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print("\nNo Chromium is installed, so the page was not opened.")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, chromium_sandbox=False)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        started = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        print(f"| opened and ready | {time.perf_counter() - started:.2f} s |")
        page.select_option("#verdict", "")
        for text in FILTERS:
            ms = page.evaluate(
                """async (text) => {
                    const field = document.getElementById("expression");
                    const drawn = () => new Promise((done) =>
                      requestAnimationFrame(() => requestAnimationFrame(done)));
                    const start = performance.now();
                    field.value = text;
                    field.dispatchEvent(new Event("input"));
                    await drawn();
                    return performance.now() - start;
                }""",
                text,
            )
            count = page.locator("#count").inner_text()
            print(f"| filter `{json.dumps(text)[1:-1]}` ({count}) | {ms:.0f} ms |")
        print(f"| requests beside the page itself | {len(requests) - 1} |")
        browser.close()


class _Clock:
    """Prints laps."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        print("| step | seconds |\n|---|---|")

    def lap(self, name: str, *, total: bool = False) -> None:
        """Print the time since the last lap, or since the start."""
        now = time.perf_counter()
        print(f"| {name} | {now - (self._start if total else self._last):.1f} |")
        self._last = now


if __name__ == "__main__":
    typer.run(main)
