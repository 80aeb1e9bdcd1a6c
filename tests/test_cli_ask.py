"""`quorum ask` on a real file, with scripted generators: what it prints and how it exits."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from command import complaint, parsed, quorum

QUESTION = "Which cities are in Portugal?"
PORTUGAL = "SELECT name, population FROM city WHERE country = 'Portugal' ORDER BY name"
ALL = "SELECT name FROM city"
AGREE = {"a": [PORTUGAL], "b": [PORTUGAL], "c": [ALL]}
SPLIT = {f"g{n}": [f"SELECT id, name FROM city WHERE id = {n}"] for n in range(1, 6)}
KEYS = {
    "question", "sql", "columns", "rows", "row_count", "truncated", "confidence", "abstained",
    "reason", "candidates", "timings_ms", "usage",
}  # fmt: skip


def test_json_is_the_object_of_the_contract(shop: Path) -> None:
    found = parsed(quorum("ask", "--db", shop, "--json", QUESTION, script=AGREE))
    assert set(found) >= KEYS
    assert found["question"] == QUESTION
    assert found["rows"] == [["Lisbon", 545000], ["Porto", 231800]]
    assert found["columns"] == ["name", "population"]
    assert (found["row_count"], found["truncated"], found["abstained"]) == (2, False, False)
    assert found["reason"] is None
    assert [c["generator"] for c in found["candidates"]] == ["a", "b", "c"]
    assert {c["status"] for c in found["candidates"]} == {"ok"}
    assert set(found["usage"]) == {"calls", "input_tokens", "output_tokens", "usd"}


def test_page_shows_rows_sql_votes_confidence_and_time(shop: Path) -> None:
    finished = quorum("ask", "--db", f"sqlite:///{shop}", QUESTION, script=AGREE)
    assert (finished.returncode, finished.stderr) == (0, "")
    out = finished.stdout
    assert "Lisbon" in out and "545000" in out
    assert "country = 'Portugal'" in out
    assert "67%" in out and "a, b" in out and "2 rows × 2 columns" in out
    assert "33%" in out and "5 rows × 1 column" in out
    assert "Confidence" in out and "generate" in out
    assert "\x1b" not in out, "no colours where there is no terminal"


def test_csv_is_csv(shop: Path) -> None:
    finished = quorum("ask", "--db", shop, "--csv", QUESTION, script=AGREE)
    rows = list(csv.reader(io.StringIO(finished.stdout)))
    assert rows == [["name", "population"], ["Lisbon", "545000"], ["Porto", "231800"]]


def test_csv_has_no_noise_of_floats_and_the_reason_for_no_rows(shop: Path) -> None:
    script = {"a": ["SELECT 14817.430000000002 AS total, 0.1 + 0.2, 5.0, 1e300"]}
    rows = quorum("ask", "--db", shop, "--csv", QUESTION, script=script).stdout.splitlines()
    assert rows[1] == "14817.43,0.3,5.0,1e+300"
    given, sure = ("ask", "--db", shop, QUESTION), {"QUORUM_THRESHOLD": "0.95"}
    found = parsed(quorum(*given, "--json", script=SPLIT, env=sure), code=3)
    assert found["abstained"] and found["sql"]
    why = {
        "unsure": "The generators disagree too much to answer",
        "tie": "Two different results have about the same share of the vote",
    }
    said = complaint(quorum(*given, "--csv", script=SPLIT, env=sure), 3)
    assert f"no answer: {why[found['reason']]}; --guess" in said


def test_limit_shortens_and_says_so(shop: Path) -> None:
    found = parsed(quorum("ask", "--db", shop, "--json", "--limit", "1", QUESTION, script=AGREE))
    assert (found["rows"], found["truncated"]) == ([["Lisbon", 545000]], True)
    page = quorum("ask", "--db", shop, "--limit", "1", QUESTION, script=AGREE).stdout
    assert "Porto" not in page and "1 more row" in page


def test_null_and_nothing_are_shown_as_such(shop: Path) -> None:
    nulls = {"a": ["SELECT name, population FROM city WHERE id = 5"]}
    assert "∅ NULL" in quorum("ask", "--db", shop, QUESTION, script=nulls).stdout
    empty = {"a": ["SELECT name FROM city WHERE id = 99"]}
    assert "No rows." in quorum("ask", "--db", shop, QUESTION, script=empty).stdout


def test_question_from_stdin(shop: Path) -> None:
    run = quorum("ask", "--db", shop, "--json", "-", script=AGREE, stdin=f"{QUESTION}\n")
    assert parsed(run)["question"] == QUESTION


def test_abstention_is_plain_and_keeps_its_guess_behind_a_flag(shop: Path) -> None:
    ask = ("ask", "--db", shop)
    finished = quorum(*ask, QUESTION, script=SPLIT)
    assert finished.returncode == 3
    assert "No answer" in finished.stdout and "--guess" in finished.stdout
    assert "WHERE id" not in finished.stdout
    guessed = quorum(*ask, "--guess", QUESTION, script=SPLIT)
    assert guessed.returncode == 3
    assert "WHERE id" in guessed.stdout
    found = parsed(quorum(*ask, "--json", QUESTION, script=SPLIT), code=3)
    assert found["abstained"] and found["reason"] in ("unsure", "tie") and found["sql"]
    silent = quorum(*ask, "--csv", QUESTION, script=SPLIT)
    said = complaint(silent, 3)
    assert said.endswith("--guess prints the best guess") and "too unsure" not in said


def test_nothing_runs(shop: Path) -> None:
    script = {"a": ["SELECT nonsense FROM city"], "b": ["DROP TABLE city"]}
    found = parsed(quorum("ask", "--db", shop, "--json", QUESTION, script=script), code=3)
    assert found["reason"] == "unanswerable"
    assert [c["status"] for c in found["candidates"]] == ["error", "refused"]
    page = quorum("ask", "--db", shop, QUESTION, script=script)
    assert page.returncode == 3
    assert "No answer" in page.stdout and "2 candidates failed" in page.stdout


def test_values_cannot_talk_to_the_terminal(shop: Path) -> None:
    script = {"a": ["SELECT 'red' || char(27) || '[31m' || char(10) || 'x' AS trick, id FROM city"]}
    out = quorum("ask", "--db", shop, QUESTION, script=script).stdout
    assert "\x1b" not in out
    assert "red\\x1b[31m⏎x" in out


def test_wide_and_long_results_fit(shop: Path) -> None:
    columns = ", ".join(f"'{'w' * 90}' AS column_{n}" for n in range(30))
    script = {"a": [f"SELECT {columns}, id FROM city"]}
    out = quorum("ask", "--db", shop, QUESTION, script=script).stdout
    table = out.split("\n\n")[0]
    assert max(map(len, table.splitlines())) <= 100
    assert "more columns" in table


def test_output_of_a_terminal_without_unicode(shop: Path) -> None:
    env = {"PYTHONIOENCODING": "ascii"}
    finished = quorum("ask", "--db", shop, QUESTION, script={"a": [ALL]}, env=env)
    assert finished.returncode == 0
    assert "S?o Paulo" in finished.stdout


def test_json_and_csv_exclude_each_other(shop: Path) -> None:
    assert "choose one" in complaint(quorum("ask", "--db", shop, "--json", "--csv", "q"), 2)
