"""Make docs/report.png and docs/report_question.png: `python docs/picture_report.py`.

The embedded members answer the questions of docs/company_questions.jsonl about the sample company;
a real Chromium (Debian's `chromium`, driven by playwright) opens the report of that run.

What is not covered: keeping the pictures fresh; nobody would see a difference in a review.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from quorumsql.sample import build_sample

DOCS = Path(__file__).parent
WIDTH, HEIGHT = 1280, 1000


def main() -> None:
    """Run the evaluation and take the pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_sample(folder / "company.sqlite")
        command = [sys.executable, "-m", "quorumsql", "eval", "jsonl", "--generators", "embedded"]
        command += ["--questions", str(DOCS / "company_questions.jsonl")]
        command += ["--db", "company.sqlite", "--out", "run"]
        command += ["--slice", "joins > 1 and subquery = 0"]
        subprocess.run(command, cwd=folder, check=True)
        take_pictures(folder / "run" / "report.html")


def take_pictures(report: Path) -> None:
    """Photograph the head of the page, and one question that was answered wrongly."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, chromium_sandbox=False)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(report.as_uri())
        page.wait_for_selector("html[data-ready]")
        page.screenshot(path=DOCS / "report.png")
        page.locator(".card summary").nth(1).click()
        page.evaluate("document.getElementById('questions').scrollIntoView()")
        page.screenshot(path=DOCS / "report_question.png")
        browser.close()


if __name__ == "__main__":
    main()
