"""Conversations with a model, recorded as JSON lines and replayed without it.

Every reply is kept under its full request and the number of the sample, so that a replay answers
exactly what was asked and nothing near it.

What is not covered: prices that changed since, and privacy: a recording holds the prompts.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Literal

from quorumsql.domain import Completion, ModelRequest
from quorumsql.errors import ModelRefused, UsageError
from quorumsql.llm.keys import completion_from, completion_record, key_of, request_record
from quorumsql.ports import LanguageModel

__all__ = ["Recorded"]


class Recorded:
    """A model around another: "record" keeps its replies, "replay" needs no model at all.

    "live" only passes requests on.
    """

    def __init__(
        self,
        path: Path,
        *,
        mode: Literal["record", "replay", "live"],
        model: LanguageModel | None = None,
        name: str | None = None,
    ) -> None:
        """Read the recording, where there is one.

        Raises:
            UsageError: there is nothing to replay, no model to record, or no such file.
        """
        if model is None and mode != "replay":
            raise UsageError(f"Mode {mode!r} needs a model: only replay does without.")
        self._path, self._mode, self._model = path, mode, model
        self.name = name or (model.name if model is not None else path.stem)
        self._lock = threading.Lock()
        self._known = _read(path, must_exist=mode == "replay") if mode != "live" else {}

    def complete(
        self, request: ModelRequest, *, samples: int = 1, seconds: float | None = None
    ) -> tuple[Completion, ...]:
        """Return recorded replies, or the model's.

        Raises:
            ModelRefused: in a replay, this request was not recorded.
        """
        keys = [key_of(self.name, request, sample) for sample in range(samples)]
        with self._lock:
            found = [self._known[key] for key in keys if key in self._known]
        if len(found) == samples and self._mode != "live":
            return tuple(completion_from(record, spent=True) for record in found)
        if self._model is None:
            raise ModelRefused(
                f"{self._path} holds no reply to this request ({keys[0][:12]}): record it again."
            )
        replies = self._model.complete(request, samples=samples, seconds=seconds)
        if self._mode == "record":
            self._keep(request, dict(zip(keys, replies, strict=False)))
        return replies

    def _keep(self, request: ModelRequest, replies: dict[str, Completion]) -> None:
        with self._lock, self._path.open("a", encoding="utf-8", newline="\n") as file:
            for sample, (key, reply) in enumerate(replies.items()):
                record = completion_record(reply)
                self._known[key] = record
                asked = request_record(self.name, request)
                line = {"key": key, "sample": sample, "request": asked, "reply": record}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _read(path: Path, *, must_exist: bool) -> dict[str, Any]:
    if not path.is_file():
        if must_exist:
            raise UsageError(f"There is no recording {str(path)!r}.")
        return {}
    known: dict[str, Any] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
                completion_from(record["reply"], spent=True)
                known[record["key"]] = record["reply"]
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(f"{path}: line {number} is not a recorded reply.") from error
    return known
