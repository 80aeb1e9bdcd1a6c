"""Scoring that was interrupted goes on: nothing scored is lost, every question counts once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import score_cases
from command import command, parsed, quorum
from punctual import wait_until
from quorumsql.errors import ConfigError, UsageError
from quorumsql.evals.score import Scored, score
from quorumsql.evals.score_files import read_job
from quorumsql.evals.score_items import Options, Verdict
from score_cases import ENDLESS, GOLD, RIGHT, lines, make_bench

ANSWERS = [RIGHT[0], "SELECT nope", RIGHT[2], "SELECT 1", RIGHT[4]]
STATUSES = ["right", "error", "right", "wrong", "right"]


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    make_bench(tmp_path)
    (tmp_path / "pred").write_text(lines(ANSWERS), encoding="utf-8")
    return tmp_path


def run(
    bench: Path, *, watch: Callable[[Verdict], None] = lambda _: None, seconds: float = 1.0
) -> Scored:
    return score(
        read_job(bench / "gold.sql", bench / "pred"),
        Options(metric="spider", db_dir=bench / "db", seconds=seconds),
        workers=1,
        out=bench / "out.jsonl",
        watch=watch,
    )


def stop_after(count: int) -> Callable[[Verdict], None]:
    """Interrupt when so many verdicts have come."""
    seen: list[int] = []

    def watch(verdict: Verdict) -> None:
        seen.append(verdict.position)
        if len(seen) == count:
            raise KeyboardInterrupt

    return watch


def kept(bench: Path) -> int:
    """How many whole verdicts are in the unfinished file, its head left out."""
    path = bench / "out.jsonl.partial"
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


def adds_up(bench: Path, found: Scored) -> None:
    assert [v.status for v in found.verdicts] == STATUSES
    written = [json.loads(line) for line in (bench / "out.jsonl").read_text().splitlines()]
    assert [(e["index"], e["status"]) for e in written] == list(enumerate(STATUSES))
    assert found.summary() == {
        "execution_accuracy": 0.6,
        "exact_match": None,
        "n": 5,
        "unscored": 0,
    }
    assert not (bench / "out.jsonl.partial").exists()


def test_an_interrupted_score_goes_on_where_it_stopped(bench: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(bench, watch=stop_after(2))
    assert kept(bench) == 2 and not (bench / "out.jsonl").exists()
    with pytest.raises(KeyboardInterrupt):
        run(bench, watch=stop_after(4))
    assert kept(bench) == 4, "the two that were kept came first, and were not written again"
    seen: list[int] = []
    adds_up(bench, run(bench, watch=lambda verdict: seen.append(verdict.position)))
    assert sorted(seen) == list(range(5))


def test_a_killed_score_goes_on_although_its_last_line_is_torn(bench: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, score_cases.__file__, str(bench), str(bench / "out.jsonl")]
    )
    try:
        wait_until(lambda: kept(bench) > 0, seconds=300)
    finally:
        process.kill()
        process.wait()
    before = kept(bench)
    assert 1 <= before < len(GOLD)
    with (bench / "out.jsonl.partial").open("a", encoding="utf-8") as file:
        file.write('{"position": 4, "sta')
    adds_up(bench, run(bench))


def test_ctrl_c_on_the_command_leaves_what_the_command_goes_on_with(bench: Path) -> None:
    slow = [ENDLESS, RIGHT[1], ENDLESS, RIGHT[3], ENDLESS]
    (bench / "pred").write_text(lines(slow), encoding="utf-8")
    given: list[str | Path] = ["score", "--metric", "bird", "--gold", bench / "gold.sql"]
    given += ["--pred", bench / "pred", "--db-dir", bench / "db", "--out", bench / "out.jsonl"]
    given += ["--seconds", "2", "--workers", "1"]
    started = subprocess.Popen(
        [*command(None, bench), *map(str, given)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: kept(bench) > 0, seconds=300)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130, said
    assert 1 <= kept(bench) < 5
    found = parsed(quorum(*given, "--json"))
    assert (found["execution_accuracy"], found["n"], found["unscored"]) == (0.4, 5, 0)
    written = (bench / "out.jsonl").read_text(encoding="utf-8").splitlines()
    statuses = [json.loads(line)["status"] for line in written]
    assert statuses == ["timeout", "right", "timeout", "right", "timeout"]


def test_what_was_unscored_is_tried_again(bench: Path) -> None:
    moved = bench / "elsewhere"
    (bench / "db" / "cities").rename(moved)
    with pytest.raises(KeyboardInterrupt):
        run(bench, watch=stop_after(4))
    moved.rename(bench / "db" / "cities")
    adds_up(bench, run(bench))


def test_unfinished_work_of_another_kind_is_refused(bench: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(bench, watch=stop_after(2))
    with pytest.raises(ConfigError, match="unfinished work with other questions or settings"):
        run(bench, seconds=2.0)
    (bench / "pred").write_text(lines(RIGHT), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"out\.jsonl\.partial is unfinished work"):
        run(bench)
    (bench / "pred").write_text(lines(ANSWERS), encoding="utf-8")
    partial = bench / "out.jsonl.partial"
    broken = partial.read_bytes().splitlines(keepends=True)
    partial.write_bytes(broken[0] + b"\xff\n" + broken[2])
    with pytest.raises(ConfigError, match=r"partial:2: is no result"):
        run(bench)
    partial.write_bytes(broken[0] + b"{}\n")
    with pytest.raises(ConfigError, match="holds no verdicts"):
        run(bench)
    partial.write_bytes(broken[0][:10])  # killed while it wrote its first line
    adds_up(bench, run(bench))


def test_two_processes_do_not_write_one_file(bench: Path) -> None:
    def second(_: Verdict) -> None:
        with pytest.raises(UsageError, match="another process is writing"):
            run(bench)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(bench, watch=second)
    adds_up(bench, run(bench))


def test_no_password_stands_in_what_is_kept(bench: Path) -> None:
    options = Options(metric="bird", url="postgresql://bob:s3cret@127.0.0.1:1/x", seconds=1.0)
    job = read_job(bench / "gold.sql", bench / "pred")
    with pytest.raises(KeyboardInterrupt):
        score(job, options, workers=1, out=bench / "out.jsonl", watch=stop_after(1))
    text = (bench / "out.jsonl.partial").read_text(encoding="utf-8")
    assert "s3cret" not in text and "bob@127.0.0.1" in text and "Nothing answers" in text
