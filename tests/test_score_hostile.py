"""Predictions that want too much, and files that are broken in every way: all are counted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.db.sqlite_read import DENIED_FUNCTIONS
from quorumsql.domain import Limits
from quorumsql.errors import UsageError
from quorumsql.evals.score_files import read_job
from quorumsql.evals.score_items import Item, Metric, Options, Verdict
from quorumsql.evals.score_pool import judge_of
from quorumsql.evals.score_sqlite import SqliteRunner
from score_cases import ENDLESS, GOLD, RIGHT, lines, make_bench

COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) "
MANY = COUNTING.format(10_000_000) + "SELECT i FROM n"
BLOBS = (
    "WITH RECURSIVE n(b, i) AS (SELECT zeroblob(7000000), 1 UNION ALL SELECT b, i + 1 FROM n "
    "LIMIT 5000) SELECT b, i FROM n"
)
TEXT = COUNTING.format(20_000) + "SELECT group_concat(hex(zeroblob(1000)), i) FROM n"
HEAP = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) SELECT "
    "json_group_array(hex(zeroblob(3000000))) FROM n"
)
MEGABYTES = 600


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """No test takes much memory on top of what this process, with other tests behind it, has."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the earlier peak
    before = resident("VmRSS")
    yield
    assert resident("VmHWM") - before < MEGABYTES


def resident(name: str) -> float:
    """A figure of /proc/self/status, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(x.split()[1]) / 1024 for x in status.splitlines() if x.startswith(name))


def judged(
    bench: Path, sql: str, *, metric: Metric = "bird", gold: str = "SELECT 1", seconds: float = 9.0
) -> Verdict:
    item = Item(position=0, index=0, db_id="pets", gold=gold, prediction=sql)
    with judge_of(Options(metric=metric, db_dir=bench / "db", seconds=seconds)) as judge:
        return judge.judge(item)


@pytest.mark.parametrize("metric", ["spider", "bird"])
@pytest.mark.parametrize("sql", [TEXT, HEAP], ids=["one long text", "one long list"])
def test_what_exhausts_memory_is_stopped(bench: Path, metric: Metric, sql: str) -> None:
    assert judged(bench, sql, metric=metric).status == "cap"


def test_large_cells_in_many_rows_are_stopped(bench: Path) -> None:
    assert judged(bench, BLOBS).status == "cap"
    assert judged(bench, BLOBS, metric="spider").status in {"cap", "wrong"}


def test_ten_million_rows_are_not_read(bench: Path) -> None:
    assert judged(bench, MANY, seconds=60.0).status == "cap"
    assert judged(bench, MANY, metric="spider").status == "wrong", "more rows than gold"
    found = judged(bench, "SELECT 1", gold=MANY, seconds=60.0)
    assert found.status == "unscored" and "gold does not run" in found.reason


@pytest.mark.parametrize("metric", ["spider", "bird", "strict"])
def test_what_never_ends_is_a_timeout_and_gold_that_never_ends_unscored(
    bench: Path, metric: Metric
) -> None:
    assert judged(bench, ENDLESS, metric=metric, seconds=0.2).status == "timeout"
    found = judged(bench, "SELECT 1", metric=metric, gold=ENDLESS, seconds=0.2)
    assert found.status == "unscored" and "0.2 seconds" in found.reason


@pytest.mark.parametrize(
    ("sql", "spider", "bird"),
    [
        ("SELECT 1 -- a comment", "right", "right"),
        ("/* one */ SELECT /* two */ 1", "right", "right"),
        ("SELECT 1;", "right", "right"),
        ("SELECT 1; SELECT 2", "right", "error"),
        ("SELECT\t1", "error", "right"),  # Spider's script cuts predictions at a tab
        ("SELECT 1\r", "right", "right"),
        ("SELECT 1; DROP TABLE pet", "right", "error"),
        ("DROP TABLE pet", "wrong", "wrong"),
        ("ATTACH 'other.sqlite' AS other", "refused", "refused"),
        ("SELECT load_extension('x')", "refused", "refused"),
        ("PRAGMA writable_schema = 1", "refused", "refused"),
        ("SELECT 'it", "error", "error"),
        ("SELECT \x00 1", "error", "error"),
        ("SELECT " + "(" * 3000 + "1" + ")" * 3000, "error", "error"),
        ("SELECT 1 -- " + "x" * 200_000, "right", "right"),
        (";", "wrong", "wrong"),
        ("I do not know.", "error", "error"),
    ],
)
def test_odd_statements_have_a_verdict(bench: Path, sql: str, spider: str, bird: str) -> None:
    found = [judged(bench, sql, metric=metric).status for metric in ("spider", "bird")]
    assert found == [spider, bird]
    assert judged(bench, "SELECT count(*) FROM pet", gold=GOLD[0][0]).status == "right"


def test_what_reads_for_answers_is_refused_in_scores_too(bench: Path) -> None:
    """The fence is that of `db.sqlite_read`; what this SQLite does not have is unknown to both."""
    for name in sorted(DENIED_FUNCTIONS):
        found = judged(bench, f"SELECT {name}('x', 'y') FROM pet")
        assert found.status in {"refused", "error"}, name
    assert judged(bench, "SELECT sqlite_log(1, 'x') FROM pet").status == "refused"


def test_a_file_is_read_only_and_not_trusted(bench: Path) -> None:
    path = bench / "db" / "pets" / "pets.sqlite"
    with closing(SqliteRunner(path, limits=Limits())) as runner:
        assert runner.run("DELETE FROM pet") == [], "it ran on a copy"
        assert runner.run("SELECT count(*) FROM pet") == [(4,)]
        runner._connection.set_authorizer(None)
        for pragma, value in (("query_only", 1), ("trusted_schema", 0)):
            assert runner._connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)


def mangled(dice: random.Random) -> bytes:
    """A file of predictions that went through many hands."""
    answers = list(RIGHT)
    for _ in range(dice.randrange(4)):
        place = dice.randrange(len(answers) + 1)
        match dice.randrange(6):
            case 0:
                answers[place:] = answers[place + 1 :]
            case 1:
                answers.insert(place, dice.choice(["", "\t", "SELECT 1", "-- x", "Zoë", "\x00"]))
            case 2:
                dice.shuffle(answers)
            case 3:
                answers = [f"{sql}\t{dice.choice(['pets', 'cities', 'x y'])}" for sql in answers]
            case 4:
                answers = [f"  {sql} ; " for sql in answers]
            case _:
                answers = answers * 2
    end = dice.choice(["\n", "\r\n", "\r", "\n\n"])
    coding = dice.choice(["utf-8", "utf-8-sig", "utf-16", "latin-1"])
    raw = end.join(answers).encode(coding)
    return raw[: dice.randrange(len(raw) + 1)] if dice.random() < 0.2 else raw


def test_a_file_broken_in_any_way_leaves_every_question_counted(bench: Path) -> None:
    dice = random.Random(11)
    for _ in range(400):
        (bench / "pred").write_bytes(mangled(dice))
        items = read_job(bench / "gold.sql", bench / "pred").items
        assert [(item.position, item.gold, item.db_id) for item in items] == [
            (place, sql, db_id) for place, (sql, db_id) in enumerate(GOLD)
        ]


def test_bytes_that_are_no_text_are_read_or_named(bench: Path) -> None:
    dice = random.Random(12)
    for _ in range(200):
        start = dice.choice([b"", b"{", b"[", b'{"0": ', b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"])
        (bench / "pred").write_bytes(start + dice.randbytes(dice.randrange(60)))
        try:
            items = read_job(bench / "gold.sql", bench / "pred").items
        except UsageError as error:
            assert "pred" in str(error) and "\n" not in str(error)
        else:
            assert len(items) == len(GOLD)


def test_gold_with_broken_lines_keeps_its_count(bench: Path) -> None:
    texts = ["SELECT 1\tpets", "no tab", "\tpets", "SELECT 1\t", "SELECT 'a\tb'\tpets"]
    (bench / "odd.sql").write_text(lines(texts, "\r\n"), encoding="utf-8")
    (bench / "pred").write_text(lines(["SELECT 1"] * 5), encoding="utf-8")
    items = read_job(bench / "odd.sql", bench / "pred").items
    assert [(item.gold, item.db_id) for item in items] == [
        ("SELECT 1", "pets"),
        *[("", "")] * 3,
        ("SELECT 'a\tb'", "pets"),
    ]
    assert [n for n, item in enumerate(items, 1) if f"line {n} " in item.problem] == [2, 3, 4]
