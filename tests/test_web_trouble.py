"""The page when things go wrong, in a real Chromium: slow, gone, stopped, expired, twice open."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from browser import note_what_is_said, opened, violations, what_was_said
from web_server import TOKENS, Served, build_databases, served, tokens_toml

OPEN = "seconds = 15.0\n[limits]\nseconds = 8.0\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shop_bytes: bytes) -> Iterator[Served]:
    """Open to this machine, without tokens."""
    folder = tmp_path_factory.mktemp("trouble")
    with served(folder, build_databases(folder, shop_bytes), config=OPEN) as found:
        yield found


def ask(page: Page, question: str) -> None:
    page.fill("#question", question)
    page.press("#question", "Enter")


def status(page: Page, words: str) -> None:
    expect(page.locator("#status")).to_contain_text(words)


def test_a_slow_database_is_said_to_be_slow(server: Served, chromium: Browser) -> None:
    with opened(chromium, f"{server.url}/") as visit:
        page = visit.page
        page.select_option("#database", "slow")
        note_what_is_said(page)
        ask(page, "Who lives where?")
        status(page, "Answered in")
        slow = re.compile(r"Still working, \d+ seconds\. The database or a model is slow\.")
        said = [may_ask for words, may_ask in what_was_said(page) if slow.fullmatch(words)]
        assert said and not any(said)
        expect(page.locator("#go")).to_be_enabled()
        page.locator("summary", has_text="did not run").click()
        expect(page.locator("[aria-label=Votes]")).to_contain_text("stopped")
        assert visit.complaints == []


def test_a_database_that_is_gone_and_comes_back(server: Served, chromium: Browser) -> None:
    place, away = server.folder / "other.sqlite", server.folder / "away"
    with opened(chromium, f"{server.url}/") as visit:
        page = visit.page
        page.select_option("#database", "other")
        place.rename(away)
        try:
            ask(page, "Who lives where?")
            status(page, "other")
            expect(page.locator("#status")).to_have_class("error")
        finally:
            away.rename(place)
        ask(page, "Who lives where?")
        status(page, "Answered in")
        expect(page.locator("[aria-label=Answer] tbody tr")).to_have_count(5)


def test_two_tabs_do_not_mix_their_answers(server: Served, chromium: Browser) -> None:
    with opened(chromium, f"{server.url}/") as visit:
        one, two = visit.page, visit.page.context.new_page()
        two.goto(f"{server.url}/")
        one.select_option("#database", "slow")
        ask(one, "the first tab asks")
        two.select_option("#database", "other")
        ask(two, "the second tab asks")
        status(two, "Answered in")
        expect(two.locator("#question")).to_have_value("the second tab asks")
        expect(two.locator("[aria-label=Answer] tbody tr")).to_have_count(5)
        status(one, "Answered in")
        expect(one.locator("#question")).to_have_value("the first tab asks")
        expect(one.locator("#database")).to_have_value("slow")
        two.click("[data-view=history]")
        expect(two.locator(".entry").first).to_contain_text("the second tab asks")


def test_going_on_from_an_answer(server: Served, chromium: Browser) -> None:
    with opened(chromium, f"{server.url}/") as visit:
        page = visit.page
        ask(page, "Who lives where?")
        rows = page.locator("[aria-label=Answer] tbody tr")
        expect(rows).to_have_count(5)
        page.fill("#follow", "only those over 300000")
        page.press("#follow", "Enter")
        expect(rows).to_have_count(3)
        expect(page.locator("[aria-label='Go on'] a")).to_have_text("Who lives where?")
        expect(page.locator(".editor textarea")).to_have_value(re.compile("> 300000"))
        page.locator("#follow-ideas button", has_text="largest first").click()
        expect(rows.first).to_contain_text("東京")
        page.go_back()
        expect(rows.first).to_contain_text("Lisbon")
        page.reload()
        expect(rows).to_have_count(3)
        page.press("#follow", "Enter")
        status(page, "for example")
        page.locator("[aria-label='Go on'] a").click()
        expect(rows).to_have_count(5)
        assert visit.complaints == []


def test_an_answer_that_comes_late_does_not_replace_what_is_shown(
    server: Served, chromium: Browser
) -> None:
    with opened(chromium, f"{server.url}/") as visit:
        page, held = visit.page, list[Route]()

        def hold_the_first(route: Route) -> None:
            held.append(route)
            if len(held) > 1:
                route.continue_()

        rows = page.locator("[aria-label=Answer] tbody tr")
        ask(page, "Who lives where?")
        expect(rows).to_have_count(5)
        for sql, amount in (("SELECT 1 UNION SELECT 2", 2), ("VALUES (1), (2), (3)", 3)):
            page.fill(".editor textarea", sql)
            page.locator("#run-sql").click()
            expect(rows).to_have_count(amount)
        page.route(re.compile(r"/v1/runs/[^/]+$"), hold_the_first)
        with page.expect_request(re.compile(r"/v1/runs/[^/]+$")):
            page.go_back()
        page.go_back()
        expect(rows).to_have_count(5)
        held[0].continue_()
        page.wait_for_load_state("networkidle")
        expect(rows).to_have_count(5)
        assert visit.complaints == []


def test_other_views_stay_while_an_answer_is_awaited(server: Served, chromium: Browser) -> None:
    with opened(chromium, f"{server.url}/") as visit:
        page = visit.page
        page.select_option("#database", "slow")
        ask(page, "Who lives where?")
        expect(page.locator("#live")).to_contain_text("generate")
        page.click("[data-view=history]")
        expect(page.locator("#history")).to_be_visible()
        expect(page.locator("[aria-label=Votes]")).to_be_attached()
        expect(page.locator("#history")).to_be_visible()
        assert page.evaluate("location.hash") == "#/history"
        page.click("[data-view=ask]")
        expect(page.locator("[aria-label=Votes]")).to_be_visible()
        assert visit.complaints == []


def test_a_first_question_is_proposed(server: Served, chromium: Browser) -> None:
    with opened(chromium, f"{server.url}/") as visit:
        page = visit.page
        idea = page.locator("#ideas button", has_text="for each country")
        idea.click()
        status(page, "Answered in")
        expect(page.locator("#question")).to_have_value(re.compile("for each country"))
        expect(page.locator("#ideas")).to_be_hidden()


def test_a_token_is_asked_for_until_a_good_one_is_given(
    tmp_path: Path, shop_bytes: bytes, chromium: Browser, axe: str
) -> None:
    databases = build_databases(tmp_path, shop_bytes)
    with (
        served(tmp_path, databases, config=tokens_toml()) as found,
        opened(chromium, f"{found.url}/") as visit,
    ):
        page = visit.page
        for given, words in (
            ("nonsense", "asks for a token"),
            (TOKENS["old"], "not known"),
            (TOKENS["ben"], "expired"),
        ):
            expect(page.locator("#token-why")).to_contain_text(words)
            assert violations(page, axe) == []
            page.fill("#token-text", given)
            page.press("#token-text", "Enter")
        expect(page.locator("#database option")).to_have_text(["shop"])
        ask(page, "Who lives where?")
        status(page, "Answered in")
        page.evaluate("sessionStorage.setItem('token', 'quorum_test_old')")  # its day has come
        ask(page, "And now?")
        expect(page.locator("#token-why")).to_contain_text("expired")
        page.fill("#token-text", TOKENS["ben"])
        page.press("#token-text", "Enter")
        status(page, "Answered in")
        expect(page.locator("#question")).to_have_value("And now?")


def test_a_server_that_stops_is_said_to(server: Served, chromium: Browser) -> None:
    """The last test of this server."""
    with opened(chromium, f"{server.url}/") as visit:
        page = visit.page
        page.select_option("#database", "slow")
        ask(page, "Who lives where?")
        expect(page.locator("#live")).to_contain_text("generate")
        server.process.send_signal(signal.SIGTERM)
        status(page, "The server is stopping")
        server.process.wait(60)
        ask(page, "Anybody there?")
        status(page, "trying to take it up again")
        status(page, "The connection is lost, and so may be the answer.")
