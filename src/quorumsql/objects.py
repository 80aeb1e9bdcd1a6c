"""Answers as JSON: the objects of `quorum ask --json` and `quorum sql --json`, and their values.

What is not covered: writing it out; doors do that.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from quorumsql.domain import Answer, Candidate, Execution, Failure, Reading, Row, Rows

__all__ = ["answer_object", "execution_object", "json_rows", "json_value"]


def answer_object(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of `quorum ask --json`; every value in it is JSON-safe."""
    groups = {
        index: number
        for number, group in enumerate(answer.choice.groups)
        for index in group.members
    }
    return {
        "question": answer.question,
        "sql": answer.sql,
        "columns": list(answer.columns),
        "rows": json_rows(answer.rows),
        "row_count": len(answer.rows),
        "truncated": answer.truncated,
        "confidence": round(answer.confidence, 4),
        "abstained": answer.abstained,
        "reason": answer.reason,
        "candidates": [
            _candidate_object(one, groups.get(index)) for index, one in enumerate(answer.candidates)
        ],
        "timings_ms": {stage: round(ms, 2) for stage, ms in answer.timings_ms.items()},
        "usage": asdict(answer.usage),
        "usage_by_stage": {name: asdict(one) for name, one in answer.usage_by_stage.items()},
        "warnings": list(answer.warnings),
        "why": answer.why,
        "effective_candidates": round(answer.effective, 2),
        "readings": [_reading_object(one) for one in answer.readings],
        "clarify": answer.clarify or None,
    }


def execution_object(sql: str, execution: Execution) -> dict[str, Any]:
    """Return the JSON object of `quorum sql --json`: what was run, and what came of it."""
    rows = execution.rows if isinstance(execution, Rows) else ()
    return {
        "sql": sql,
        "status": execution.kind if isinstance(execution, Failure) else "ok",
        "error": execution.message if isinstance(execution, Failure) else None,
        "columns": list(execution.columns) if isinstance(execution, Rows) else [],
        "rows": json_rows(rows),
        "row_count": len(rows),
        "truncated": isinstance(execution, Rows) and execution.truncated,
    }


def json_rows(rows: Iterable[Row]) -> list[list[Any]]:
    """Return rows as lists of what stands for their values."""
    return [[json_value(value) for value in row] for row in rows]


def json_value(value: object) -> Any:
    """Return what stands for a database value in JSON.

    Numbers stay numbers where JSON readers keep them whole: decimals become floats,
    integers beyond 64 bits strings, NaN null, infinities the strings "Infinity" and
    "-Infinity". Dates and times are ISO 8601, bytes are hexadecimal after "0x".
    """
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -(2**63) <= value < 2**64 else str(value)
        case float() | Decimal():
            return _json_float(float(value))
        case bytes() | bytearray() | memoryview():
            return "0x" + bytes(value).hex()
        case datetime.date() | datetime.time():
            return value.isoformat()
        case Mapping():
            return {str(key): json_value(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [json_value(item) for item in value]
        case _:
            return str(value)


def _json_float(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _reading_object(reading: Reading) -> dict[str, Any]:
    return {
        "sql": reading.sql,
        "votes": round(reading.votes, 4),
        "words": reading.words,
        "columns": list(reading.columns),
        "row_count": reading.row_count,
        "only_here": json_rows(reading.only_here),
    }


def _candidate_object(candidate: Candidate, group: int | None) -> dict[str, Any]:
    execution = candidate.final.execution
    return {
        "generator": candidate.generator,
        "sql": candidate.sql,
        "status": candidate.status,
        "error": execution.message if isinstance(execution, Failure) else None,
        "group": group,
    }
