"""The page of `quorum serve` in a real Chromium, with the real generators.

Screenshots for the documentation are made where QUORUM_SCREENSHOTS names a folder.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from browser import (
    Opened,
    ask,
    note_what_is_said,
    opened,
    picture,
    violations,
    what_was_said,
)
from lines import breaking
from quorumsql.sample import build_sample
from web_server import FOREVER, Served, served

CONFIG = "seconds = 6.0\n[limits]\nseconds = 3.0\n"
HOSTILE = "<img src=x onerror=alert(1)>"
BARS = (
    "SELECT categories.name AS category, AVG(price) AS average_price FROM products "
    "JOIN categories USING (category_id) GROUP BY categories.name"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("page")
    build_sample(folder / "company.sqlite")
    with closing(sqlite3.connect(folder / "hostile.sqlite")) as connection:
        connection.execute(
            f'CREATE TABLE "{HOSTILE}" (id INTEGER, "<script>alert(2)</script>" TEXT)'
        )
        rows = [(i, f"<svg onload=alert({i})>") for i in range(1, 4)]
        connection.executemany(f'INSERT INTO "{HOSTILE}" VALUES (?, ?)', rows)
        connection.execute(f"CREATE TABLE wide AS SELECT 1 AS one, '{HOSTILE}' AS text")
        connection.commit()
    with closing(sqlite3.connect(folder / "slow.sqlite")) as connection:
        connection.execute(FOREVER)
        connection.commit()
    paths = [str(folder / f"{name}.sqlite") for name in ("company", "hostile", "slow")]
    with served(folder, paths, config=CONFIG, script=None) as found:
        yield found


@pytest.fixture
def visit(server: Served, chromium: Browser) -> Iterator[Opened]:
    with opened(chromium, f"{server.url}/") as found:
        yield found
        assert found.complaints == []
        assert all(url.startswith((server.url, "blob:")) for url in found.requests)


def run_sql(page: Page, sql: str) -> None:
    page.fill(".editor textarea", sql)
    page.press(".editor textarea", "Control+Enter")
    expect(page.locator("#status")).to_contain_text("SQL")


def test_the_main_journey(visit: Opened, server: Served, axe: str) -> None:
    page = visit.page
    ask(page, "What is the average salary for each title?")
    expect(page.locator("[aria-label=Answer] .badge")).to_contain_text("% sure")
    expect(page.locator(".reading").first).to_contain_text("Chosen")
    expect(page.locator("[aria-label=Times] .stages")).to_contain_text("generate")
    expect(page.locator("#live span").first).to_contain_text("ms")
    page.locator(".reading summary").first.click()
    expect(page.locator(".reading pre.sql").first).to_contain_text("SELECT")
    expect(page.locator(".litrow").first).to_be_visible()
    assert violations(page, axe) == []
    page.locator(".reading summary").first.click()
    picture(page, "answer")
    page.locator(".reading summary").nth(1).click()
    expect(page.locator(".reading").nth(1)).to_contain_text("Rows only in")
    picture(page, "vote", of="[aria-label=Votes]")
    page.get_by_role("button", name="Right").click()
    expect(page.locator("#status")).to_contain_text("proposed")
    page.get_by_role("button", name="Save question").click()
    expect(page.locator("#status")).to_contain_text("Saved")
    for kind in ("CSV", "Parquet"):
        with page.expect_download() as download:
            page.get_by_role("button", name=kind).click()
        assert download.value.path().stat().st_size > 0
    page.reload()
    expect(page.locator("[aria-label=Answer] .badge")).to_contain_text("% sure")
    page.click("[data-view=history]")
    page.check("#only-saved")
    expect(page.locator(".entry")).to_contain_text("average salary")
    assert violations(page, axe) == []
    page.go_back()
    expect(page.locator("#ask")).to_be_visible()


def test_sql_is_edited_and_run_through_the_guard(visit: Opened) -> None:
    page = visit.page
    ask(page, "How many customers are there?")
    run_sql(page, BARS)
    expect(page.locator("[aria-label=Answer] tbody tr")).to_have_count(10)
    expect(page.locator("#chart")).to_have_attribute("src", re.compile("^blob:"))
    size = page.wait_for_function("document.getElementById('chart').naturalWidth")
    assert int(str(size.json_value())) > 100
    picture(page, "chart", of="figure.chart img")
    run_sql(page, "DELETE FROM products")
    expect(page.locator("[aria-label=Answer] .error")).to_be_visible()
    run_sql(page, "SELECT nothing FROM products")
    expect(page.locator("[aria-label=Answer] .error")).to_contain_text("nothing")
    page.go_back()
    page.go_back()
    expect(page.locator("[aria-label=Answer] tbody tr")).to_have_count(10)


def test_many_rows_come_in_parts(visit: Opened) -> None:
    page = visit.page
    ask(page, "How many customers are there?")
    run_sql(page, "SELECT a.name, b.name FROM customers a, customers b LIMIT 10000")
    expect(page.locator("[aria-label=Answer] tbody tr")).to_have_count(200)
    page.get_by_role("button", name="Show more rows").click()
    expect(page.locator("[aria-label=Answer] tbody tr")).to_have_count(1200)


def test_the_schema_is_a_diagram(visit: Opened, axe: str) -> None:
    page = visit.page
    page.click("[data-view=schema]")
    expect(page.locator("#diagram .head").first).to_be_visible()
    expect(page.locator("#diagram .edge").nth(5)).to_be_attached()
    picture(page, "schema", of="#diagram")
    page.fill("#find", "salary")
    expect(page.locator("#diagram .head")).to_have_text(["employees"])
    assert violations(page, axe) == []


def test_hostile_names_and_values_stay_text(visit: Opened) -> None:
    page = visit.page
    page.select_option("#database", "hostile")
    ask(page, "What is in wide?")
    guess = page.get_by_role("button", name="Show the best guess")
    if guess.count():
        guess.click()
    run_sql(page, f'SELECT * FROM "{HOSTILE}"')
    expect(page.locator("[aria-label=Answer] td").nth(1)).to_have_text("<svg onload=alert(1)>")
    page.click("[data-view=schema]")
    expect(page.locator("#diagram .head").first).to_be_visible()
    page.click("[data-view=history]")
    expect(page.locator(".entry").first).to_be_visible()
    assert page.locator("main script, main [onerror], main [onload]").count() == 0


def test_wrong_input_is_said(visit: Opened) -> None:
    page = visit.page
    page.press("#question", "Enter")
    expect(page.locator("#status")).to_contain_text("plain words")
    page.evaluate("document.getElementById('question').removeAttribute('maxlength')")
    page.evaluate("document.getElementById('question').value = 'x'.repeat(10_000_000)")
    visit.complaints.clear()
    page.click("#go")  # a browser takes its time with so much text
    expect(page.locator("#status")).to_contain_text("too large")
    visit.complaints.clear()  # the browser reports the refusal in its console


def test_a_phone_and_the_dark(server: Served, chromium: Browser, axe: str) -> None:
    with opened(chromium, f"{server.url}/", width=375, height=760) as visit:
        page = visit.page
        page.click("#theme")
        ask(page, "How many orders were placed in each month?")
        wide = "document.documentElement.scrollWidth"
        assert page.evaluate(wide) <= 375
        assert violations(page, axe) == []
        picture(page, "phone")
        assert visit.complaints == []


def test_keys(visit: Opened) -> None:
    page = visit.page
    page.locator("main").focus()
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page.locator("#history")).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("#question")).to_be_focused()


def test_a_broken_stream_is_taken_up_again(server: Served, chromium: Browser) -> None:
    place = urlsplit(server.url)
    assert place.port is not None
    with (
        breaking(place.port, b'{"stage": "generate"}') as port,
        opened(chromium, f"http://127.0.0.1:{port}/") as visit,
    ):
        page = visit.page
        page.select_option("#database", "slow")
        page.fill("#question", "How many rows are in forever?")
        note_what_is_said(page)
        page.press("#question", "Enter")
        expect(page.locator("#status")).to_contain_text("Answered in")
        assert any("trying to take it up again" in words for words, _ in what_was_said(page))
        chips = page.locator("#live span")
        expect(chips.first).to_contain_text("schema")
        expect(chips.filter(has_text="generate")).to_have_count(1)
