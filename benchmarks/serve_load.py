"""How `quorum serve` holds: one person, many at once, one greedy among others, hours of it.

    python benchmarks/serve_load.py                          all but the soak
    python benchmarks/serve_load.py --people 50              50 people ask at the same moment
    python benchmarks/serve_load.py --questions 5000         a soak: `make soak`

Prints one JSON object and exits with 1 when a promise is not kept. `missed` names what:

- alone: the first event within 100 ms, in the median of 40 questions; the answer within 500 ms
- at once: no error, the 95th percentile of the answers within 15 s, at most 1.5 GiB of memory
- fair: ten people with one question each are all served before half of a greedy person's forty
- soak: no error; memory grows by less than a tenth after the first tenth of the questions, and
  handles and threads by less than ten. Twenty times on the way a line on stderr says how it stands

Clients speak HTTP over plain sockets, to take as little as possible from the server beside them.

What is not covered: networks and several machines. Server and clients share this one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression, median, quantiles
from typing import Any
from urllib.parse import urlsplit

import httpx2

from quorumsql.cli.demo_questions import QUESTIONS
from quorumsql.sample import build_sample

MOST_MIB = 1536
GREEDY, OTHERS = 40, 10
WARM = 120
"""A soak compares with how the server stands after a tenth of it, or after so many questions."""
STEPS = 19
"""How often a soak looks at the server, after the first tenth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One question: seconds to the first event and to the answer, when it came, and success."""

    first: float
    whole: float
    at: float
    fine: bool


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """Serve the sample database; yield its address and process id."""
    build_sample(folder / "company.sqlite")
    (folder / "quorum.toml").write_text(
        "[web]\nper_minute = 1000000\nwaiting = 1000\n", encoding="utf-8"
    )
    config = str(folder / "quorum.toml")
    env = {**os.environ, "QUORUM_HOME": str(folder), "QUORUM_CONFIG": config}  # noqa: TID251
    line = [sys.executable, "-m", "quorumsql", "serve", "--port", "0"]
    line += ["--db", str(folder / "company.sqlite")]
    log = folder / "log"
    with (
        log.open("w", encoding="utf-8") as out,
        subprocess.Popen(line, stderr=out, env=env) as made,
    ):
        try:
            while not (found := re.search(r"http://\S+", log.read_text(encoding="utf-8"))):
                time.sleep(0.1)
            url = found[0].rstrip("/")
            while not _ready(url):
                time.sleep(0.2)
            yield url, made.pid
        finally:
            made.terminate()


def _ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/ready", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


async def ask(url: str, number: int, who: str) -> Heard:
    """Ask one question as a stream; `who` is the tab that asks."""
    place = urlsplit(url)
    body = json.dumps({"question": QUESTIONS[number % len(QUESTIONS)].text}).encode()
    head = (
        f"POST /v1/ask HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
        f"Accept: text/event-stream\r\nQuorum-Client: {who}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    start, first, text = time.perf_counter(), 0.0, b""
    try:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(head.encode() + body)
        while part := await reader.read(1 << 16):
            text += part
            if not first and b"event: run" in text:
                first = time.perf_counter() - start
        writer.close()
    except OSError:
        pass
    end = time.perf_counter()
    return Heard(first=first, whole=end - start, at=end, fine=b"\nevent: answer\n" in text)


async def at_once(url: str, people: int, questions: int) -> list[Heard]:
    """Let each of `people` ask one question after the other until all are asked."""
    left = iter(range(questions))

    async def person(name: str) -> list[Heard]:
        return [await ask(url, number, name) for number in left]

    found = await asyncio.gather(*(person(f"p{n}") for n in range(people)))
    return [one for own in found for one in own]


async def fair(url: str) -> dict[str, Any]:
    """Let one person ask GREEDY questions at once, then OTHERS one each; say who came when."""
    greedy = [asyncio.create_task(ask(url, n, "greedy")) for n in range(GREEDY)]
    await asyncio.sleep(0.5)
    others = await asyncio.gather(*(ask(url, n, f"other{n}") for n in range(OTHERS)))
    own = sorted([one.at for one in await asyncio.gather(*greedy)])
    last = max(one.at for one in others)
    return {
        "others_median_s": round(median(one.whole for one in others), 2),
        "greedy_served_before_the_last_other": sum(at < last for at in own),
        "of": GREEDY,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Memory of a process in MiB, the most there ever was, its open files and threads."""

    memory: int = 0
    most: int = 0
    handles: int = 0
    threads: int = 0


def state(pid: int) -> State:
    """How a process stands, where the system tells (Linux)."""
    proc = Path(f"/proc/{pid}")
    if not proc.is_dir():
        return State()
    text = (proc / "status").read_text(encoding="utf-8")
    names = ("VmRSS", "VmHWM", "Threads")
    held, most, threads = (
        int(found[1]) if (found := re.search(rf"{name}:\s+(\d+)", text)) else 0 for name in names
    )
    handles = len(list((proc / "fd").iterdir()))
    return State(memory=held // 1024, most=most // 1024, handles=handles, threads=threads)


def spent(pid: int) -> float:
    """Seconds of processor that the server has used, where the system tells (Linux)."""
    file = Path(f"/proc/{pid}/stat")
    if not file.is_file():
        return 0.0
    fields = file.read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def summary(found: Sequence[Heard]) -> dict[str, Any]:
    """Errors and times of questions."""
    firsts, wholes = [one.first * 1000 for one in found], [one.whole for one in found]
    return {
        "questions": len(found),
        "errors": sum(not one.fine for one in found),
        "first_event_ms": [round(median(firsts), 1), round(_p95(firsts), 1)],
        "answer_s": [round(median(wholes), 3), round(_p95(wholes), 3)],
    }


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


async def measured(url: str, pid: int, people: int) -> dict[str, Any]:
    """Everything but the soak; pairs of times are median and 95th percentile."""
    alone = await at_once(url, 1, 40)
    before = spent(pid)
    together = await at_once(url, people, people)
    cost = round((spent(pid) - before) / people, 3)
    found = {
        "alone": summary(alone),
        "at_once": {"people": people, **summary(together), "cpu_s_per_question": cost},
        "fair": await fair(url),
        "most_memory_mib": state(pid).most,
    }
    return {**found, "missed": list(missed(found))}


def missed(found: dict[str, Any]) -> Iterator[str]:
    """Yield the promises that were not kept."""
    alone, together = found["alone"], found["at_once"]
    if alone["errors"] or together["errors"]:
        yield "questions failed"
    if alone["first_event_ms"][0] > 100:
        yield "alone: first event within 100 ms"
    if alone["answer_s"][0] > 0.5:
        yield "alone: answer within 500 ms"
    if together["answer_s"][1] > 15:
        yield "at once: 95 % answered within 15 s"
    if found["most_memory_mib"] > MOST_MIB:
        yield "at most 1.5 GiB of memory"
    if found["fair"]["greedy_served_before_the_last_other"] > GREEDY / 2:
        yield "fair between people"


async def soaked(url: str, pid: int, people: int, questions: int) -> dict[str, Any]:
    """Ask for long; how the server stands at the end is compared with how after a tenth."""
    heard: list[Heard] = []
    over_time, began = [(0, state(pid))], time.perf_counter()
    first = max(questions // 10, min(WARM, questions // 2))
    step = max((questions - first) // STEPS, people)
    print(" questions  seconds  memory MiB  handles  threads  errors", file=sys.stderr)
    while len(heard) < questions:
        asked = first if not heard else min(step, questions - len(heard))
        heard += await at_once(url, people, asked)
        over_time.append((len(heard), now := state(pid)))
        line = (len(heard), time.perf_counter() - began, now.memory, now.handles, now.threads)
        errors = sum(not one.fine for one in heard)
        print("{:10} {:8.0f} {:11} {:8} {:8} {:7}".format(*line, errors), file=sys.stderr)
    found = summary(heard)
    return {
        "people": people,
        **found,
        "seconds": round(time.perf_counter() - began),
        "mib_per_1000_questions": slope([(n, one.memory) for n, one in over_time[1:]]),
        "over_time": [{"questions": n, **asdict(one)} for n, one in over_time],
        "missed": list(grown(found["errors"], over_time[1][1], over_time[-1][1])),
    }


def slope(points: Sequence[tuple[int, int]]) -> float:
    """How much the second number grows while the first grows by 1,000, by least squares."""
    if len(points) < 3:
        return 0.0
    return round(1000 * linear_regression(*zip(*points, strict=True)).slope, 2)


def grown(errors: int, before: State, after: State) -> Iterator[str]:
    """Yield what a soak must not do and did."""
    if errors:
        yield "questions failed"
    if after.memory > 1.1 * before.memory:
        yield "memory grew"
    if after.handles > before.handles + 10:
        yield "handles grew"
    if after.threads > before.threads + 10:
        yield "threads grew"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--questions", type=int, default=0, help="a soak of so many questions")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as (url, pid):
        asyncio.run(at_once(url, 1, len(QUESTIONS)))  # the first of each kind loads something
        if given.questions:
            found = asyncio.run(soaked(url, pid, given.people, given.questions))
        else:
            found = asyncio.run(measured(url, pid, given.people))
    print(json.dumps(found, indent=1))
    print("kept" if not found["missed"] else f"MISSED: {'; '.join(found['missed'])}")
    return int(bool(found["missed"]))


if __name__ == "__main__":
    sys.exit(main())
