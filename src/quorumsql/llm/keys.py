"""Requests and replies as text: what a cache and a recording agree on.

What is not covered: keeping anything; see `cache` and `recorded`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from quorumsql.domain import Completion, ModelRequest, Usage

__all__ = ["completion_from", "completion_record", "key_of", "request_record"]


def request_record(model: str, request: ModelRequest) -> dict[str, Any]:
    """Return everything that a reply depends on, as plain JSON."""
    return {"model": model, **asdict(request)}


def key_of(model: str, request: ModelRequest, sample: int) -> str:
    """Return a text that two askings share only when all of it is the same."""
    record = {**request_record(model, request), "sample": sample}
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def completion_record(completion: Completion) -> dict[str, Any]:
    """Return a reply as plain JSON."""
    return {
        "text": completion.text,
        "finish": completion.finish,
        "logprobs": dict(completion.logprobs),
        "usage": asdict(completion.usage),
    }


def completion_from(record: Mapping[str, Any], *, spent: bool) -> Completion:
    """Return the reply of a record; with `spent` False it cost nothing this time.

    Raises:
        KeyError, TypeError: the record is not one of ours.
    """
    return Completion(
        text=str(record["text"]),
        finish=str(record["finish"]),
        logprobs=dict(record["logprobs"]),
        usage=Usage(**record["usage"]) if spent else Usage(),
    )
