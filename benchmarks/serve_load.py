"""How `quorum serve` holds under load: many people asking at once, or questions for hours.

    python benchmarks/serve_load.py --people 50              50 people, one question each, at once
    python benchmarks/serve_load.py --questions 5000         a soak: `make soak`

Prints, as one JSON object: errors, the median and 95th percentile in seconds, the time to the first
streamed event, memory of the server in MiB and its open files, before and after. Exits 1 when a
question failed, or when a soak of 1,000 questions or more leaves memory grown by over a tenth or
handles by more than ten.

What is not covered: networks and several machines. Server and clients share this one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2

from quorumsql.cli.demo_questions import QUESTIONS
from quorumsql.sample import build_sample


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


def ask(client: httpx2.Client, number: int) -> tuple[float, float, bool]:
    """Ask one question as a stream; return seconds to the first event and in all, and success."""
    body = {"question": QUESTIONS[number % len(QUESTIONS)].text}
    headers = {"Accept": "text/event-stream", "Quorum-Client": str(number)}
    start, first, text = time.perf_counter(), 0.0, ""
    try:
        with client.stream("POST", "/v1/ask", json=body, headers=headers) as reply:
            for part in reply.iter_text():
                first = first or time.perf_counter() - start
                text += part
    except httpx2.HTTPError:
        return 0.0, time.perf_counter() - start, False
    return first, time.perf_counter() - start, "\nevent: answer\n" in text


def state(pid: int) -> tuple[int, int]:
    """Memory in MiB and open files of the server, where the system tells (Linux)."""
    proc = Path(f"/proc/{pid}")
    if not proc.is_dir():
        return 0, 0
    held = re.search(r"VmRSS:\s+(\d+)", (proc / "status").read_text(encoding="utf-8"))
    return int(held[1]) // 1024 if held else 0, len(list((proc / "fd").iterdir()))


def measure(people: int, questions: int) -> dict[str, Any]:
    """Ask, and return what was found."""
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as (url, pid):
        with httpx2.Client(base_url=url, timeout=600, trust_env=False) as client:
            for number in range(len(QUESTIONS)):
                ask(client, number)
            before = state(pid)
            with ThreadPoolExecutor(people) as threads:
                found = list(threads.map(lambda n: ask(client, n), range(questions)))
            after = state(pid)
    times = sorted(seconds for _, seconds, _ in found)
    return {
        "people": people,
        "questions": questions,
        "errors": sum(not fine for *_, fine in found),
        "median_s": round(median(times), 3),
        "p95_s": round(quantiles(times, n=20)[-1], 3) if len(times) > 1 else round(times[0], 3),
        "first_event_median_ms": round(median(first for first, *_ in found) * 1000, 1),
        "memory_mib": [before[0], after[0]],
        "handles": [before[1], after[1]],
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--questions", type=int, default=0, help="all in all; one each when absent")
    given = parser.parse_args()
    found = measure(given.people, given.questions or given.people)
    print(json.dumps(found))
    memory, handles = found["memory_mib"], found["handles"]
    grown = memory[1] > 1.1 * memory[0] or handles[1] > handles[0] + 10
    return int(bool(found["errors"]) or (found["questions"] >= 1000 and grown))


if __name__ == "__main__":
    sys.exit(main())
