"""Does the client survive a service that fails three times out of ten?

    python benchmarks/llm_faults.py [--calls 2000] [--in-flight 16]

A server of our own on loopback answers with 429 (with and without Retry-After), 500, a slow first
byte, a cut reply, invalid JSON, no choices, a wrong model's 404 and stalls of 30 s. Each call asks
for its own number; a reply to another call, a call without an end and one that is counted twice
would show. Then everything stalls, and the deadline is measured.

What is not covered: services on other machines.
"""

from __future__ import annotations

import queue
import random
import statistics
import threading
import time
from collections import Counter
from typing import Annotated, Any

import typer

from llm_server import FAULTS, Reply, serving
from quorumsql.domain import Message, ModelRequest
from quorumsql.errors import ModelError
from quorumsql.llm.endpoint import Endpoint
from quorumsql.llm.openai_compatible import OpenAICompatible

KINDS = sorted(set(FAULTS) - {"markdown", "several statements", "think block"})
SHARE = 0.3
DEADLINE = 10.0
STALLED_DEADLINE = 1.0


def plan(number: int, body: dict[str, Any]) -> Reply:
    """Fail at random, but the same at every run; else echo the question's number."""
    dice = random.Random(number)
    if dice.random() < SHARE:
        return FAULTS[KINDS[number % len(KINDS)]]
    return Reply(texts=(f"```sql\nSELECT {body['messages'][0]['content']}\n```",))


def stall(number: int, body: dict[str, Any]) -> Reply:
    """Never answer in time."""
    del number, body
    return FAULTS["stall"]


def main(
    calls: Annotated[int, typer.Option(help="How many calls.", min=1)] = 2000,
    in_flight: Annotated[int, typer.Option(help="How many at once.", min=1)] = 16,
) -> None:
    """Print two Markdown tables."""
    _print_faults(calls, in_flight)
    _print_deadline(in_flight)


def _print_faults(calls: int, in_flight: int) -> None:
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(calls):
        todo.put(number)
    ends: list[tuple[int, str]] = []
    counted = Counter[str]()
    lock = threading.Lock()
    with serving(plan) as server:
        endpoint = Endpoint(model="m", base_url=server.url, concurrency=in_flight, timeout=1.5)
        client = OpenAICompatible(endpoint)

        def work() -> None:
            while True:
                try:
                    number = todo.get_nowait()
                except queue.Empty:
                    return
                end, usage = _call(client, number)
                with lock:
                    ends.append((number, end))
                    counted["calls"] += usage

        began = time.perf_counter()
        threads = [threading.Thread(target=work) for _ in range(in_flight)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        counts = server.counts()
        client.close()
    kinds = Counter(end for _, end in ends)
    print(f"## {calls:,} calls, {SHARE:.0%} faults, {in_flight} in flight ({seconds:.0f} s)\n")
    print("| figure | value |\n|---|---:|")
    print(f"| requests that the server saw | {counts['requests']:,} |")
    print(f"| most at once | {counts['most_at_once']} |")
    print(f"| calls answered | {kinds['answered']:,} |")
    for end, count in sorted(kinds.items()):
        if end != "answered":
            print(f"| calls ended by name: {end} | {count:,} |")
    print(f"| calls lost | {calls - len({number for number, _ in ends})} |")
    print(f"| calls that ended twice | {len(ends) - len({number for number, _ in ends})} |")
    print(f"| completions counted, minus answered | {counted['calls'] - kinds['answered']} |\n")


def _call(client: OpenAICompatible, number: int) -> tuple[str, int]:
    request = ModelRequest(messages=(Message(role="user", text=str(number)),))
    try:
        (reply,) = client.complete(request, seconds=DEADLINE)
    except ModelError as error:
        return type(error).__name__, 0
    if reply.text not in {f"```sql\nSELECT {number}\n```", "```sql\nSELECT 1\n```"}:
        return "ANOTHER CALL'S REPLY", reply.usage.calls
    return "answered", reply.usage.calls


def _print_deadline(in_flight: int) -> None:
    took: list[float] = []
    with serving(stall) as server:
        client = OpenAICompatible(
            Endpoint(model="m", base_url=server.url, concurrency=4 * in_flight, timeout=60)
        )

        def work() -> None:
            request = ModelRequest(messages=(Message(role="user", text="0"),))
            began = time.perf_counter()
            try:
                client.complete(request, seconds=STALLED_DEADLINE)
            except ModelError:
                took.append(1000 * (time.perf_counter() - began - STALLED_DEADLINE))

        for _ in range(4):
            threads = [threading.Thread(target=work) for _ in range(in_flight)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        client.close()
    print(f"## A deadline of {STALLED_DEADLINE:g} s while everything stalls, {len(took)} calls\n")
    print("| ended after the deadline by | ms |\n|---|---:|")
    print(f"| least | {min(took):+.0f} |\n| median | {statistics.median(took):+.0f} |")
    print(f"| most | {max(took):+.0f} |")


if __name__ == "__main__":
    typer.run(main)
