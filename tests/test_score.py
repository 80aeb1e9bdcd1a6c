"""`quorum score` on real files: every official format, bad input, and counts that add up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from command import complaint, parsed, quorum
from quorumsql.evals.score import Scored, score
from quorumsql.evals.score_files import read_job
from quorumsql.evals.score_items import Metric, Options
from quorumsql.evals.score_pool import judge_of, verdicts
from score_cases import ENDLESS, GOLD, RIGHT, lines, make_bench


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return make_bench(tmp_path)


def scored(
    bench: Path, pred: str | bytes, *, metric: Metric = "spider", gold: str = "gold.sql"
) -> Scored:
    (bench / "pred").write_bytes(pred.encode() if isinstance(pred, str) else pred)
    options = Options(metric=metric, db_dir=bench / "db", seconds=1.0)
    found = score(read_job(bench / gold, bench / "pred"), options, workers=1, watch=lambda _: None)
    assert [v.position for v in found.verdicts] == list(range(len(found.job.items)))
    return found


def statuses(found: Scored) -> list[str]:
    return [v.status for v in found.verdicts]


def placed(bench: Path, pred: str | bytes, gold: str = "gold.sql") -> list[str | None]:
    (bench / "pred").write_bytes(pred.encode() if isinstance(pred, str) else pred)
    return [item.prediction for item in read_job(bench / gold, bench / "pred").items]


def objects(answers: Sequence[tuple[int, str | None]]) -> str:
    return lines([json.dumps({"index": index, "sql": sql}) for index, sql in answers])


@pytest.mark.parametrize(
    "pred",
    [
        lines(RIGHT),
        lines(RIGHT)[:-1],
        lines(RIGHT, "\r\n"),
        lines(RIGHT, "\r"),
        "\ufeff" + lines(RIGHT),
        lines(RIGHT).encode("utf-16"),
        lines(RIGHT, "\n\n"),
        json.dumps(RIGHT),
        json.dumps([{"sql": sql} for sql in RIGHT]),
        objects(list(enumerate(RIGHT))),
        objects(list(enumerate(RIGHT))[::-1]),
        json.dumps({str(i): f"{s}\t----- bird -----\t{d}" for i, (s, d) in enumerate(GOLD)}),
        json.dumps({str(i): GOLD[i][0] for i in (4, 2, 0, 1, 3)}),
    ],
    ids=[
        *("lines", "no last end", "windows", "mac", "bom", "utf-16", "blank between"),
        *("list", "objects", "json lines", "reordered", "bird", "bird reordered"),
    ],
)
def test_every_format_brings_predictions_to_their_questions(bench: Path, pred: str | bytes) -> None:
    found = placed(bench, pred)
    assert [sql.strip() if sql else sql for sql in found] == RIGHT


def test_a_prediction_that_is_not_there_is_missing_and_the_others_keep_their_place(
    bench: Path,
) -> None:
    assert placed(bench, lines([RIGHT[0], "", *RIGHT[2:]])) == [RIGHT[0], None, *RIGHT[2:]]
    assert placed(bench, lines(RIGHT[:3])) == [*RIGHT[:3], None, None]
    assert placed(bench, objects([(4, RIGHT[4]), (1, None)])) == [None] * 4 + [RIGHT[4]]
    assert placed(bench, "") == [None] * 5
    torn = objects(list(enumerate(RIGHT)))[:-20]
    assert placed(bench, torn) == [*RIGHT[:4], None]


def test_what_is_odd_about_a_file_is_told(bench: Path) -> None:
    def notes(pred: str | bytes) -> str:
        (bench / "pred").write_bytes(pred.encode() if isinstance(pred, str) else pred)
        return "\n".join(read_job(bench / "gold.sql", bench / "pred").notes)

    assert notes(lines(RIGHT)) == ""
    assert "3 predictions for 5 questions" in notes(lines(RIGHT[:3]))
    assert "no question of the gold file: line 6." in notes(lines([*RIGHT, "SELECT 1"]))
    assert ": lines 1, 2." in notes(objects([(7, "SELECT 1"), (-1, "SELECT 1"), (0, "SELECT 2")]))
    assert "replaced by later" in notes(objects([(0, "SELECT 1"), (0, "SELECT 2")]))
    assert "not UTF-8" in notes(lines(["SELECT 'Zoë'"]).encode("latin-1"))
    reordered = lines([f"{sql}\t{db_id}" for sql, db_id in reversed(GOLD)])
    assert "another database" in notes(reordered)


def test_gold_is_read_from_json_lists_lines_and_csv(bench: Path) -> None:
    spider = [{"query": sql, "db_id": db_id, "question": "?"} for sql, db_id in GOLD]
    bird = [{"SQL": s, "db_id": d, "question_id": 100 + i} for i, (s, d) in enumerate(GOLD)]
    (bench / "spider.json").write_text(json.dumps(spider), encoding="utf-8-sig")
    (bench / "bird.jsonl").write_text(lines([json.dumps(b) for b in bird]), encoding="utf-8")
    table = lines(["question,query,db_name", *(f'?,"{sql}",{db_id}' for sql, db_id in GOLD)])
    (bench / "gold.csv").write_text(table, encoding="utf-8")
    (bench / "pred").write_text(lines(RIGHT), encoding="utf-8")
    for name in ("spider.json", "bird.jsonl", "gold.csv"):
        job = read_job(bench / name, bench / "pred")
        assert [(item.gold, item.db_id) for item in job.items] == GOLD
    by_id = json.dumps({str(100 + i): RIGHT[i] for i in (3, 0)})
    assert placed(bench, by_id, "bird.jsonl") == [RIGHT[0], None, None, RIGHT[3], None]


def test_every_question_is_scored_or_unscored_with_a_reason(bench: Path) -> None:
    gold = [
        *(f"{sql}\t{db_id}" for sql, db_id in GOLD),
        "SELECT 1\tnowhere",
        "SELECT 1\t../db/pets",
        "SELECT nope FROM pet\tpets",
        "SELECT 1 without a database",
        "SELECT name FROM pet\tpets",
        "SELECT name FROM pet\tpets",
    ]
    (bench / "bad.sql").write_text(lines(gold), encoding="utf-8")
    answers = [
        *("SELECT 4 -- a comment", RIGHT[1], "SELECT nope", ENDLESS, "DROP TABLE city"),
        *("SELECT 1", "SELECT 1", "SELECT 1", "SELECT 1"),
        "SELECT name FROM pet; DROP TABLE pet",
    ]
    found = scored(bench, lines(answers), gold="bad.sql")
    assert statuses(found) == [
        *("right", "right", "error", "timeout", "wrong"),
        *("unscored", "unscored", "unscored", "unscored", "right", "missing"),
    ]
    assert all(v.reason for v in found.unscored)
    summary = found.summary()
    assert (summary["n"], summary["unscored"]) == (11, 4)
    assert summary["execution_accuracy"] == pytest.approx(3 / 11)


def test_a_statement_that_its_deadline_cannot_stop_takes_down_its_own_process_only(
    bench: Path,
) -> None:
    zeros = "hex(zeroblob({}))"
    hangs = f"SELECT instr({zeros.format(3_900_000)}, {zeros.format(1_900_000)} || '1')"
    (bench / "pred").write_text(lines([*RIGHT[:4], hangs]), encoding="utf-8")
    options = Options(metric="spider", db_dir=bench / "db", seconds=0.1)
    job = read_job(bench / "gold.sql", bench / "pred")
    found = {v.position: v for v in verdicts(job.items, options, workers=1, grace=3.0)}
    assert [found[i].status for i in range(5)] == [*["right"] * 4, "unscored"]
    assert "workers died" in found[4].reason


@pytest.mark.parametrize(
    ("gold", "pred", "spider", "bird"),
    [
        ("SELECT id, name FROM pet", "SELECT name, id FROM pet", "right", "wrong"),
        ("SELECT name FROM pet", "SELECT DISTINCT name FROM pet", "right", "right"),
        ("SELECT name FROM pet", "SELECT name FROM pet GROUP BY name", "wrong", "right"),
        ("SELECT id FROM pet ORDER BY id", "SELECT id FROM pet ORDER BY -id", "wrong", "right"),
        ("SELECT 1", "SELECT 1.0", "right", "right"),
        ("SELECT 1", "SELECT '1'", "wrong", "wrong"),
        ("SELECT NULL", "SELECT NULL", "right", "right"),
        ("SELECT id FROM pet WHERE id > 9", "SELECT id, name FROM pet WHERE 0", "right", "right"),
        ("SELECT 0.1 + 0.2", "SELECT 0.3", "wrong", "wrong"),
        ("SELECT 1", "SELECT 1; SELECT 2", "right", "error"),
        ("SELECT nope", "SELECT 1", "unscored", "unscored"),
    ],
)
def test_spider_and_bird_differ_where_their_scripts_do(
    bench: Path, gold: str, pred: str, spider: str, bird: str
) -> None:
    (bench / "one.sql").write_text(f"{gold}\tpets\n", encoding="utf-8")
    (bench / "pred").write_text(f"{pred}\n", encoding="utf-8")
    (item,) = read_job(bench / "one.sql", bench / "pred").items
    for metric, status in (("spider", spider), ("bird", bird)):
        options = Options(metric=metric, db_dir=bench / "db")  # type: ignore[arg-type]
        with judge_of(options) as judge:
            assert judge.judge(item).status == status, metric


def test_sql_eval_takes_any_reference_and_further_columns(bench: Path) -> None:
    gold = [
        ("SELECT {name, id} FROM pet", "SELECT id FROM pet", "right"),
        ("SELECT name FROM pet; SELECT id FROM pet", "SELECT id FROM pet", "right"),
        ("SELECT name FROM pet", "SELECT id, name FROM pet", "right"),
        ("SELECT id, name FROM pet", "SELECT name FROM pet", "wrong"),
        ("SELECT name FROM pet", "SELECT nope FROM pet", "error"),
        ("SELECT name FROM pet", "DELETE FROM pet", "refused"),
    ]
    table = lines(["question,query,db_name", *(f'?,"{g}",pets' for g, _, _ in gold)])
    (bench / "gold.csv").write_text(table, encoding="utf-8")
    found = scored(bench, lines([p for _, p, _ in gold]), metric="sql-eval", gold="gold.csv")
    assert statuses(found) == [status for _, _, status in gold]


def test_the_command_prints_and_writes_what_other_programs_read(bench: Path) -> None:
    (bench / "pred").write_text(lines([*RIGHT[:4], "SELECT nope"]), encoding="utf-8")
    finished = quorum(
        *("score", "--metric", "spider", "--gold", bench / "gold.sql", "--pred", bench / "pred"),
        *("--db-dir", bench / "db", "--tables", bench / "tables.json", "--json"),
        *("--out", bench / "out.jsonl"),
    )
    expected = {"execution_accuracy": 0.8, "exact_match": 0.8, "n": 5, "unscored": 0}
    assert parsed(finished) == expected
    entries = [json.loads(line) for line in (bench / "out.jsonl").read_text().splitlines()]
    assert [(e["index"], e["exec"], e["exact"], e["status"]) for e in entries] == [
        *((i, True, True, "right") for i in range(4)),
        (4, False, False, "error"),
    ]


def test_the_table_shows_intervals(bench: Path) -> None:
    (bench / "pred").write_text(lines(RIGHT), encoding="utf-8")
    finished = quorum(
        *("score", "--metric", "spider-exact", "--gold", bench / "gold.sql"),
        *("--pred", bench / "pred", "--db-dir", bench / "db"),
        *("--tables", bench / "tables.json"),
    )
    assert finished.returncode == 0, finished
    assert "exact match" in finished.stdout
    assert "100.0 %  (" in finished.stdout
    assert "execution accuracy" not in finished.stdout


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"--gold": "nowhere"}, "cannot be read"),
        ({"--pred": "nowhere"}, "cannot be read"),
        ({"--db-dir": "nowhere"}, "no such folder"),
        ({"--metric": "spider-exact"}, "--tables"),
        ({"--tables": "gold.sql"}, "tables.json"),
        ({"--gold": "empty"}, "holds no question"),
        ({"--db": "sqlite:///x"}, "either --db-dir"),
        ({"--out": "nowhere/out.jsonl"}, "cannot be written"),
    ],
)
def test_what_the_caller_can_fix_is_one_line(
    bench: Path, changed: dict[str, str], words: str
) -> None:
    (bench / "pred").write_text(lines(RIGHT), encoding="utf-8")
    (bench / "empty").write_text("\n\n", encoding="utf-8")
    options = {"--metric": "spider", "--gold": "gold.sql", "--pred": "pred", "--db-dir": "db"}
    given = [word for pair in {**options, **changed}.items() for word in pair]
    assert words in complaint(quorum("score", *given, cwd=bench), 2)
