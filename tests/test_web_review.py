"""Two readings that tie, and examples that wait for approval: over REST and on the page.

Two scripted generators disagree on every question, with the same share of the vote.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from browser import Opened, ask, opened, picture, violations
from quorumsql.stores.verdicts import VerdictStore
from web_server import TOKENS, Served, build_databases, served

ALL = "SELECT name, population FROM city ORDER BY id"
LARGE = "SELECT name, population FROM city WHERE population > 500000 ORDER BY id"
TIED = {"one": [ALL], "two": [LARGE]}
QUESTION = {"question": "Which cities are there?"}
REVIEWERS = """
[web]
per_minute = 100000
[web.tokens.ana]
sha256 = "{ana}"
[web.tokens.ben]
sha256 = "{ben}"
databases = ["shop"]
review = true
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shop_bytes: bytes) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("review")
    with served(folder, build_databases(folder, shop_bytes), script=TIED) as found:
        yield found


@pytest.fixture
def visit(server: Served, chromium: Browser) -> Iterator[Opened]:
    with opened(chromium, f"{server.url}/") as found:
        yield found
        assert found.complaints == []


def message(response: httpx2.Response) -> str:
    return str(response.json()["error"]["message"])


def asked(client: httpx2.Client, **more: str) -> tuple[str, dict[str, object]]:
    found = client.post("/v1/ask", json={**QUESTION, **more})
    assert found.status_code == 200, found.text
    return found.headers["quorum-run"], found.json()


def test_one_of_two_readings_is_taken(server: Served) -> None:
    client = server.client()
    run, answer = asked(client)
    assert len(answer["readings"]) == 2 and "Do you mean" in str(answer["clarify"])  # type: ignore[arg-type]
    rows = [one["row_count"] for one in answer["readings"]]  # type: ignore[attr-defined]
    for place in (0, 1):
        found = client.post(f"/v1/runs/{run}/reading", json={"reading": place})
        meant, taken = found.json(), found.headers["quorum-run"]
        assert meant["row_count"] == rows[place] and not meant["abstained"]
        assert meant["readings"] == [] and meant["confidence"] == answer["confidence"]
        story = client.get(f"/v1/runs/{taken}").json()
        assert story["taken"]["run"] == run and story["readings"][0]["chosen"]
        assert [one["row_count"] for one in story["readings"]] == [rows[place], rows[1 - place]]
        newest = client.get("/v1/history").json()["entries"][0]
        assert newest["id"] == taken and newest["row_count"] == rows[place]
        further = {"question": "how many is that?", "follows": taken}
        assert client.post("/v1/ask", json=further).json()["rows"] == [[rows[place]]]
    own = client.post("/v1/sql", json={"sql": ALL}).json()["run"]
    none = client.post(f"/v1/runs/{own}/reading", json={"reading": 0})
    assert none.status_code == 400 and "no readings" in message(none)
    assert client.post(f"/v1/runs/{run}/reading", json={"reading": 2}).status_code == 422
    assert client.post("/v1/runs/none/reading", json={"reading": 0}).status_code == 404


def test_a_verdict_on_the_other_reading_is_one_on_the_answer(server: Served) -> None:
    client = server.client()
    place = {"database": "other"}
    run, answer = asked(client, **place)
    other = client.post(f"/v1/runs/{run}/reading", json={"reading": 1})
    taken = other.headers["quorum-run"]
    client.post(f"/v1/runs/{taken}/verdict", json={"right": False})  # of the answer it says nothing
    said = client.post(f"/v1/runs/{taken}/verdict", json={"right": True}).json()
    assert said == {"verdict": "right", "proposed": True, "withdrawn": False}
    (file,) = (server.folder / "home" / "databases").glob("other-*/verdicts.jsonl")
    (record,) = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert record["right"] is False and record["sql"] == answer["sql"]
    assert record["correction"] == other.json()["sql"] != answer["sql"]
    (waiting,) = client.get("/v1/examples", params=place).json()["examples"]
    assert waiting["sql"] == other.json()["sql"]
    rejected = client.patch(
        f"/v1/examples/{waiting['id']}", params=place, json={"decision": "reject"}
    )
    assert rejected.json() == {"status": "rejected"}
    assert client.get("/v1/examples", params=place).json()["examples"] == []


def test_a_changed_verdict_withdraws_what_the_earlier_one_proposed(server: Served) -> None:
    client, place = server.client(), {"database": "other"}
    question = "Which cities would you show?"
    run, answer = asked(client, question=question, **place)
    other = client.post(f"/v1/runs/{run}/reading", json={"reading": 1})
    taken = other.headers["quorum-run"]

    def say(name: str, right: bool) -> tuple[bool, bool]:
        said = client.post(f"/v1/runs/{name}/verdict", json={"right": right}).json()
        return said["proposed"], said["withdrawn"]

    def waiting() -> list[str]:
        found = client.get("/v1/examples", params=place).json()["examples"]
        return [one["sql"] for one in found if one["question"] == question]

    def standing() -> list[bool]:
        (file,) = (server.folder / "home" / "databases").glob("other-*/verdicts.jsonl")
        return [one.right for one in VerdictStore(file).all() if one.question == question]

    assert say(run, True) == (True, False) and waiting() == [answer["sql"]]
    assert say(run, True) == (False, False) and waiting() == [answer["sql"]]
    assert say(run, False) == (False, True) and waiting() == []
    assert say(run, True) == (True, False) and standing() == [True]
    assert say(taken, True) == (True, False)
    assert waiting() == [answer["sql"], other.json()["sql"]] and standing() == [True, False]
    assert say(taken, False) == (False, True)  # then nothing is known of the answer itself
    assert waiting() == [answer["sql"]] and standing() == [True]
    (example,) = client.get("/v1/examples", params=place).json()["examples"]
    path = f"/v1/examples/{example['id']}"
    client.patch(path, params=place, json={"decision": "approve"})
    assert say(run, False) == (False, False)
    found = client.get("/v1/examples", params={**place, "approved": "true"}).json()["examples"]
    assert [one["sql"] for one in found] == [answer["sql"]]


def test_only_reviewers_see_what_others_propose(tmp_path: Path, shop_bytes: bytes) -> None:
    digests = {n: hashlib.sha256(TOKENS[n].encode()).hexdigest() for n in ("ana", "ben")}
    databases = build_databases(tmp_path, shop_bytes)
    with served(tmp_path, databases, config=REVIEWERS.format(**digests), script=TIED) as found:
        ana, ben = found.client("ana"), found.client("ben")
        for database in ("shop", "other"):
            run, _ = asked(ana, database=database)
            assert ana.post(f"/v1/runs/{run}/verdict", json={"right": True}).json()["proposed"]
        assert [one.get("/v1/databases").json()["review"] for one in (ana, ben)] == [False, True]
        refused = ana.get("/v1/examples")
        assert refused.status_code == 403 and "review = true" in message(refused)
        assert "population" not in refused.text
        assert ben.get("/v1/examples", params={"database": "other"}).status_code == 404
        (example,) = ben.get("/v1/examples").json()["examples"]
        assert example["question"] == QUESTION["question"] and "From city" in example["explanation"]
        path, yes = f"/v1/examples/{example['id']}", {"decision": "approve"}
        assert ana.patch(path, json=yes).status_code == 403
        lines = (found.folder / "home" / "examples.jsonl").read_text(encoding="utf-8").splitlines()
        names = {json.loads(line)["id"] for line in lines} - {example["id"]}
        for name in (*names, "none"):  # that of the other database does not exist for Ben
            assert ben.patch(f"/v1/examples/{name}", json=yes).status_code == 404
        assert ben.patch(path, json=yes).json() == {"status": "approved"}
        assert ben.get("/v1/examples").json() == {
            "database": "shop", "examples": [], "waiting": 0,
        }  # fmt: skip
        (kept,) = ben.get("/v1/examples", params={"approved": True}).json()["examples"]
        assert kept["id"] == example["id"] and kept["approved"]


def test_both_readings_stand_on_the_page(visit: Opened, axe: str) -> None:
    page = visit.page
    ask(page, "Which large cities are there?")
    card = page.locator("[aria-label='Two readings']")
    expect(card.locator(".choice")).to_have_count(2)
    expect(card).to_contain_text("The answer that")
    expect(card).to_contain_text("Porto")
    picture(page, "readings", of="[aria-label='Two readings']")
    assert violations(page, axe) == []
    card.get_by_role("button", name="I mean B").click()
    rows = page.locator("[aria-label=Answer] tbody tr")
    expect(page.locator("[aria-label=Answer] .badge")).to_have_text("your choice")
    expect(page.locator("#status")).to_contain_text("that you mean")
    chosen = rows.count()
    page.reload()
    expect(rows).to_have_count(chosen)
    page.get_by_role("link", name="See both readings").click()
    expect(card.locator(".choice")).to_have_count(2)
    card.get_by_role("button", name="I mean A").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[aria-label=Answer] .badge")).to_have_text("your choice")
    expect(rows).to_have_count({3: 5, 5: 3}[chosen])


def test_no_verdict_is_taken_while_a_reading_is_on_its_way(visit: Opened) -> None:
    page, held = visit.page, list[Route]()
    ask(page, "Which cities are on their way?")
    page.route("**/reading", lambda route: held.append(route))
    page.get_by_role("button", name="I mean A").click()
    expect(page.locator("#answer")).to_have_attribute("inert", "")
    page.locator("#answer button", has_text="Wrong").click(force=True)
    while not held:
        page.wait_for_timeout(10)
    held[0].continue_()
    expect(page.locator("[aria-label=Answer] .badge")).to_have_text("your choice")
    expect(page.locator("#answer")).to_be_focused()
    page.get_by_role("button", name="Wrong").click()
    expect(page.locator("#status")).to_contain_text("Thank you")
    taken = page.url.rpartition("/")[2]
    said = [one for one in visit.requests if one.endswith("/verdict")]
    assert said == [one for one in said if taken in one] and len(said) == 1


def propose(page: Page, question: str) -> None:
    ask(page, question)
    page.get_by_role("button", name="I mean A").click()
    page.get_by_role("button", name="Right").click()
    expect(page.locator("#status")).to_contain_text("proposed")


def test_what_is_proposed_is_approved_on_the_page(visit: Opened, server: Served, axe: str) -> None:
    page = visit.page
    for number in (1, 2):
        propose(page, f"Which cities are there, number {number}?")
    link = page.locator("[data-view=review]")
    expect(link).to_have_text("Review (2)")
    link.click()
    proposals = page.locator(".proposal")
    expect(proposals).to_have_count(2)
    assert violations(page, axe) == []
    proposals.first.get_by_role("button", name="Look at its rows").click()
    expect(page.locator("#status")).to_contain_text("Ran your SQL")
    page.go_back()
    proposals.first.get_by_role("button", name="Approve").click()
    expect(page.locator("#note")).to_contain_text("Approved")
    expect(proposals).to_have_count(1)
    proposals.first.get_by_role("button", name="Reject").click()
    expect(page.locator("#note")).to_contain_text("Rejected")
    expect(page.locator("#proposals")).to_contain_text("Nothing waits")
    expect(link).to_have_text("Review")
    kept = server.client().get("/v1/examples", params={"approved": True}).json()["examples"]
    assert [one["question"] for one in kept] == ["Which cities are there, number 1?"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_can_be_used_by_everybody(visit: Opened, axe: str, theme: str) -> None:
    page = visit.page
    page.evaluate(f"localStorage.setItem('theme', '{theme}')")
    page.reload()
    expect(page.locator("#ideas button").first).to_be_visible()
    assert violations(page, axe) == []
    ask(page, "Which large cities are there?")
    page.get_by_role("button", name="I mean A").click()
    expect(page.locator("[aria-label=Answer] .badge")).to_have_text("your choice")
    page.evaluate("document.querySelectorAll('#ask details').forEach(one => { one.open = true })")
    assert violations(page, axe) == []
    page.get_by_role("button", name="Right").click()
    expect(page.locator("#status")).to_contain_text("Thank you")
    page.locator("#answer").focus()
    for key, shown in (("s", "#diagram .head"), ("h", ".entry"), ("r", "#review-title")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.locator(shown).first).to_be_visible()
        assert violations(page, axe) == []
        page.locator("main").focus()
    page.keyboard.press("?")
    expect(page.locator("#key-list")).to_be_visible()
    assert violations(page, axe) == []
