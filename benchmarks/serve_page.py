"""How soon the page of `quorum serve` can be used, and how soon an answer stands on it.

    python benchmarks/serve_page.py

A real Chromium opens the page as somebody who has never been there, and asks the questions of the
demo. Usable means that the question can be typed and the database is known; an answer is there
when its rows, or its sentence, are. Prints JSON; exits with 1 when the page took more than a
second or the median answer more than 500 ms.

What is not covered: networks, and drawing of charts, which comes after the answer.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from quorumsql.cli.demo_questions import QUESTIONS
from serve_load import server

VISITS = 10
USABLE = """() => new Promise(done => {
  const look = () => document.querySelector('#database option')
    && !document.querySelector('#question').disabled ? done(performance.now())
    : requestAnimationFrame(look);
  look();
})"""
SHOWN = """text => new Promise(done => {
  const began = performance.now();
  const field = document.getElementById('question');
  field.value = text;
  document.getElementById('answer').replaceChildren();
  document.getElementById('form').requestSubmit();
  const look = () => document.querySelector('[aria-label=Answer] .words')
    ? done(performance.now() - began) : requestAnimationFrame(look);
  requestAnimationFrame(look);
})"""


def measure(url: str) -> dict[str, Any]:
    """Open the page again and again, then ask."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, chromium_sandbox=False)
        opened, shown = [], []
        for _ in range(VISITS):
            context = browser.new_context()
            page = context.new_page()
            page.goto(url)
            opened.append(float(page.evaluate(USABLE)))
            context.close()
        page = browser.new_page()
        page.goto(url)
        for _ in range(3):
            shown += [float(page.evaluate(SHOWN, question.text)) for question in QUESTIONS]
        browser.close()
    return {
        "usable_ms": {"median": round(median(opened)), "slowest": round(max(opened))},
        "answer_shown_ms": {"median": round(median(shown)), "slowest": round(max(shown))},
    }


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as (url, _):
        found = measure(f"{url}/")
    print(json.dumps(found))
    late = found["usable_ms"]["slowest"] > 1_000 or found["answer_shown_ms"]["median"] > 500
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
