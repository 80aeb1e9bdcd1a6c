"""Generators answer in parallel, in order, and one failure stays one failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from quorumsql.domain import Brief, Candidate, Question, Schema
from quorumsql.errors import ModelError
from quorumsql.stages.generate import generate
from scripted import Broken, Scripted, written

BRIEF = Brief(question=Question(text="How many?"), schema=Schema(name="shop"))


class Meeting:
    """Answers only when as many generators as the barrier wants are at work."""

    def __init__(self, name: str, barrier: threading.Barrier) -> None:
        self.name = name
        self._barrier = barrier

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        self._barrier.wait()
        return (written(brief.question.text, generator=self.name),)


def test_candidates_come_in_the_order_of_the_generators_not_of_finishing() -> None:
    slow, fast = Scripted("slow", "SELECT 1", delay=0.15), Scripted("fast", "SELECT 2", "SELECT 3")
    found = generate([slow, fast], BRIEF)
    assert [(c.generator, c.sql) for c in found] == [
        ("slow", "SELECT 1"),
        ("fast", "SELECT 2"),
        ("fast", "SELECT 3"),
    ]


def test_generators_work_at_the_same_time() -> None:
    barrier = threading.Barrier(4, timeout=30)  # opens when all four stand before it
    found = generate([Meeting(str(n), barrier) for n in range(4)], BRIEF)
    assert [c.generator for c in found] == ["0", "1", "2", "3"]


def test_every_generator_sees_the_same_brief() -> None:
    one, two = Scripted("one", "SELECT 1"), Scripted("two", "SELECT 1")
    generate([one, two], BRIEF)
    assert one.briefs == two.briefs == [BRIEF]


def test_only_the_best_hypotheses_of_each_generator_are_kept() -> None:
    wide = Scripted("wide", *[f"SELECT {n}" for n in range(9)])
    found = generate([wide, Scripted("one", "SELECT 1")], BRIEF, hypotheses=2)
    assert [c.sql for c in found] == ["SELECT 0", "SELECT 1", "SELECT 1"]


def test_a_broken_generator_is_told_about_and_the_others_answer() -> None:
    lost: list[tuple[str, str]] = []
    found = generate(
        [Broken("bad"), Scripted("good", "SELECT 1")],
        BRIEF,
        on_lost=lambda name, error: lost.append((name, str(error))),
    )
    assert [c.generator for c in found] == ["good"]
    assert lost == [("bad", "bad has no weights")]


@pytest.mark.parametrize("number", [1, 2])
def test_nothing_is_left_when_every_generator_is_broken(number: int) -> None:
    with pytest.raises(ModelError, match="b0 has no weights"):
        generate([Broken(f"b{n}") for n in range(number)], BRIEF)


@pytest.mark.parametrize("others", [[], [Scripted("good", "SELECT 1")]])
def test_a_defect_in_a_generator_is_not_hidden(others: list[Scripted]) -> None:
    with pytest.raises(ZeroDivisionError):
        generate([Broken("bug", ZeroDivisionError("oops")), *others], BRIEF)


def test_a_generator_without_an_idea_is_no_failure() -> None:
    assert generate([Scripted("a"), Scripted("b")], BRIEF) == ()


@pytest.mark.skipif(os.name == "nt", reason="signals to a child work differently on Windows")
def test_ctrl_c_ends_the_process_without_waiting_for_generators() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from scripted import Scripted\n"
        "from quorumsql.domain import *\n"
        "from quorumsql.stages.generate import generate\n"
        "brief = Brief(question=Question(text='q'), schema=Schema(name='s'))\n"
        "print('ready', flush=True)\n"
        "generate([Scripted(n, 'SELECT 1', delay=60) for n in 'ab'], brief)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, os.path.dirname(__file__)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=45)
    assert child.returncode != 0
    assert "KeyboardInterrupt" in errors
