"""JSON lines that are only added to: what examples, history and verdicts are kept in.

Several processes may add at once. A line that is damaged is passed over, and one that was cut short
does not swallow the next.

What is not covered: rotation, which the audit log does by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from quorumsql.disk import append, locked
from quorumsql.errors import UsageError

__all__ = ["add_records", "read_records"]


def read_records(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the records of a file, oldest first; none when it is not there.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    for line in text.split("\n"):  # a record may hold other line breaks: U+0085, U+2028
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def add_records(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write `records` behind those of a file, all in one piece.

    A file that is not there is made so that only its owner may read it.

    Raises:
        UsageError: it cannot be written.
    """
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    if not lines:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(path):
            append(path, lines.encode("utf-8", "replace"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}.") from error
