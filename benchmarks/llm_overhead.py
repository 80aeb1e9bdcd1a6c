"""What we ourselves cost around a language model: time per question, memory for many at once.

    python benchmarks/llm_overhead.py [--questions 50] [--in-flight 200]

The service is simulated: it answers everything after a fixed time, from a process of its own. Five
generators on two schemas write ten candidates that disagree, a selector chooses; so two rounds of
model time pass, and the rest is ours: retrieval, linking, prompts, HTTP, running SQL, voting.

What is not covered: embedded members, and databases on other machines.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from llm_server import Reply, serving
from quorumsql.db import open_database
from quorumsql.domain import Question
from quorumsql.llm.endpoint import Endpoint
from quorumsql.llm.openai_compatible import OpenAICompatible
from quorumsql.pipeline import Pipeline
from quorumsql.sample import build_sample
from quorumsql.stages.session import LanguageEnsemble
from quorumsql.stores.values import MemoryValueIndex

MODEL_SECONDS = 0.4
ROUNDS = 2
GENERATORS = ("direct", "divide", "plan", "standard", "xiyan")


def plan(number: int, body: dict[str, Any]) -> Reply:
    """Write one of five statements, or choose the first, after the model's time."""
    asked = body["messages"][-1]["content"]
    if "letter alone" in asked:
        return Reply(texts=("A",), delay=MODEL_SECONDS)
    sql = f"SELECT count(*) + {number % 5} FROM customers"
    return Reply(texts=(f"```sql\n{sql}\n```",), delay=MODEL_SECONDS)


def main(
    questions: Annotated[int, typer.Option(help="How many one after another.", min=1)] = 50,
    in_flight: Annotated[int, typer.Option(help="How many at once.", min=1)] = 200,
) -> None:
    """Print a Markdown table."""
    with tempfile.TemporaryDirectory() as folder, serving(plan) as server:
        path = Path(folder) / "company.sqlite"
        build_sample(path)
        database = open_database(str(path))
        client = OpenAICompatible(
            Endpoint(model="m", base_url=server.url, concurrency=10 * in_flight)
        )
        columns = sum(len(table.columns) for table in database.schema().tables)
        language = LanguageEnsemble(
            model=client, generators=GENERATORS, narrow=columns // 2, wide=columns
        )
        index = MemoryValueIndex.build(database, database.schema())
        pipeline = Pipeline(database=database, generators=(), index=index, language=language)
        alone, cpu = _alone(pipeline, questions)
        answered = _together(pipeline, in_flight)
        client.close()
        database.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("| figure | value |\n|---|---:|")
    print(f"| candidates per question | {2 * len(GENERATORS)} |")
    print(f"| own time per question, median | {statistics.median(alone):.0f} ms |")
    print(
        f"| own time per question, 95th percentile | {sorted(alone)[-1 - questions // 20]:.0f} ms |"
    )
    print(f"| processor time per question, mean | {cpu:.0f} ms |")
    print(f"| questions in flight, all answered | {answered} of {in_flight} |")
    print(f"| peak memory of the process | {peak:.0f} MB |")


def _alone(pipeline: Pipeline, questions: int) -> tuple[list[float], float]:
    """Milliseconds of ours in each of some questions, and of the processor in one."""
    pipeline.answer(Question(text="How many customers are there?"))
    took, cpu = [], time.process_time()
    for number in range(questions):
        began = time.perf_counter()
        answer = pipeline.answer(Question(text=f"How many customers came in week {number}?"))
        took.append(1000 * (time.perf_counter() - began - ROUNDS * MODEL_SECONDS))
        assert answer.usage.calls == 2 * len(GENERATORS) + 1, answer.usage
    return took, 1000 * (time.process_time() - cpu) / questions


def _together(pipeline: Pipeline, in_flight: int) -> int:
    """How many of so many questions at once are answered."""
    answered: list[bool] = []

    def work(number: int) -> None:
        answer = pipeline.answer(Question(text=f"How many customers came on day {number}?"))
        answered.append(answer.sql is not None and bool(answer.rows))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answered)


if __name__ == "__main__":
    typer.run(main)
