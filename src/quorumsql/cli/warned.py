"""Warnings of an answer as people read them: those with one reason are one line.

A service that is down fails every generator that asks it, some of them twice.

What is not covered: JSON and traces, which keep every warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from quorumsql.domain import Answer

__all__ = ["gathered"]

_LOST: Final = re.compile(r"Generator (?P<name>.+?) failed and has no vote: (?P<why>.+)", re.DOTALL)


def gathered(answer: Answer) -> Iterator[str]:
    """Yield the warnings in their order, one for all generators that failed of one reason."""
    lost: dict[str, list[str]] = {}
    for warning in answer.warnings:
        if found := _LOST.fullmatch(warning):
            lost.setdefault(found["why"], []).append(found["name"])
    silent = not answer.usage.output_tokens
    for warning in answer.warnings:
        found = _LOST.fullmatch(warning)
        names = lost.pop(found["why"], []) if found else []
        if not found or len(names) == 1:
            yield warning
        elif names:
            yield _together(list(dict.fromkeys(names)), found["why"], silent=silent)


def _together(names: list[str], why: str, *, silent: bool) -> str:
    """Who failed, and why; `silent` when no language model wrote anything."""
    embedded = any(name.startswith("embedded") for name in names)
    who = "No language model answered" if silent and not embedded else "These generators failed"
    return f"{who}: {why.rstrip('.')} ({', '.join(names)})."
