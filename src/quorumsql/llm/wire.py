"""Chat completions: what to ask a service for, and a reply read back, whatever its shape.

What is not covered: sending (`service`), tools, images and sound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from quorumsql.domain import ModelRequest
from quorumsql.llm.endpoint import Endpoint

__all__ = [
    *("Failed", "Reply", "Unusable", "body_of", "error_message", "pieced", "refused"),
    *("too_long", "whole"),
]

WISHES = ("response_format", "logprobs", "n", "stream", "stop", "temperature", "top_p")
_CONTEXT = re.compile(
    r"context_length|context (length|window|size)|maximum context|too many tokens|"
    r"(prompt|input) is too long|reduce the length|maximum.{0,30}tokens.{0,40}(prompt|input)",
    re.I,
)
_LOOKED_AT = 4_000
"""So many characters at either end of a complaint say what it is about; some hold megabytes."""


class Unusable(Exception):
    """A reply that is none: cut off, empty, no JSON. Asking again may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: texts, why each ended, tokens where the service counts them."""

    texts: tuple[str, ...]
    finishes: tuple[str, ...]
    logprobs: tuple[Mapping[str, float], ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why one attempt brought nothing. `pause` is how many seconds the service asks to wait.

    `reached` says that the service may have worked on it.
    """

    reason: str
    status: int | None = None
    message: str = ""
    pause: float | None = None
    hopeless: bool = False
    reached: bool = True

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        quota = "insufficient_quota" in self.message
        status = self.status or 0
        return (status in {408, 409, 425, 429} and not quota) or (status >= 500 and status != 501)


def body_of(
    request: ModelRequest, endpoint: Endpoint, *, samples: int, without: Set[str]
) -> dict[str, Any]:
    """Return the JSON body, leaving out wishes `without` which the service does not know."""
    limit = "max_completion_tokens" if endpoint.thinks else "max_tokens"
    if limit in without:
        limit = {"max_tokens": "max_completion_tokens"}.get(limit, "max_tokens")
    body: dict[str, Any] = {"model": endpoint.model, "messages": _messages(request, endpoint)}
    if not {"max_tokens", "max_completion_tokens"} <= without:
        # A reasoning model's thoughts count as its reply.
        body[limit] = request.max_tokens + endpoint.thoughts
    body |= _sampling(request, endpoint)
    if samples > 1 and endpoint.n:
        body["n"] = samples
    if request.schema is not None and endpoint.json_schema:
        wanted = {"name": "reply", "strict": True, "schema": request.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    if endpoint.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if "logprobs" in without:
        body.pop("top_logprobs", None)
    if "stream" in without:
        body.pop("stream_options", None)
    return {key: value for key, value in body.items() if key not in without}


def _sampling(request: ModelRequest, endpoint: Endpoint) -> dict[str, Any]:
    """What says how to pick tokens; models that think refuse all of it."""
    found: dict[str, Any] = {}
    if endpoint.thinks:
        return found
    if request.temperature is not None:
        found["temperature"] = request.temperature
    if request.top_p is not None:
        found["top_p"] = request.top_p
    if request.stop:
        found["stop"] = list(request.stop)
    if request.logprobs and endpoint.logprobs:
        found |= {"logprobs": True, "top_logprobs": 10}
    return found


def _messages(request: ModelRequest, endpoint: Endpoint) -> list[dict[str, str]]:
    messages = [{"role": m.role, "content": m.text} for m in request.messages]
    if endpoint.system or len(messages) < 2 or messages[0]["role"] != "system":
        return messages
    first, second, *rest = messages
    return [{"role": "user", "content": f"{first['content']}\n\n{second['content']}"}, *rest]


def refused(status: int, message: str, body: Mapping[str, Any]) -> Set[str]:
    """Return the wishes in `body` that a service with this complaint does not know.

    The ones that it names; all of them when it names none, since some say only "bad request".
    """
    sent = {wish for wish in (*WISHES, "max_tokens", "max_completion_tokens") if wish in body}
    text = _ends(message).lower()
    if "max_completion_tokens" in text and "max_tokens" in sent:
        return {"max_tokens"}
    named = {wish for wish in sent if re.search(rf"(?<![a-z_]){wish}(?![a-z_])", text)}
    if "json" in text and "schema" in text and "response_format" in sent:
        named.add("response_format")
    if named or status == 404:
        return named
    return {wish for wish in WISHES if wish in sent}


def too_long(status: int, message: str) -> bool:
    """Whether a complaint is about the length of the prompt."""
    return status == 413 or bool(_CONTEXT.search(_ends(message)))


def _ends(message: str) -> str:
    """The beginning and the end of a message; between them some services repeat the request."""
    if len(message) <= 2 * _LOOKED_AT:
        return message
    return f"{message[:_LOOKED_AT]} … {message[-_LOOKED_AT:]}"


def error_message(body: object) -> str:
    """Return the service's own words from an error body, "" where it has none to show."""
    found = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(found, dict):
        words, code = found.get("message") or found.get("detail"), found.get("code")
        if isinstance(words, str):
            words = " ".join(words.split())
            return f"{words} ({code})" if isinstance(code, str) else words
    if isinstance(found, str) and not found.lstrip().startswith("<"):  # a page of some proxy
        return " ".join(found.split())
    return ""


def whole(completion: object) -> Reply:
    """Read a completion as the `openai` package builds it, which takes whatever a service sends.

    Raises:
        Unusable: it is not JSON, or holds no choice.
    """
    if isinstance(completion, str):
        raise Unusable("its reply is not JSON")
    choices = getattr(completion, "choices", None)
    if not isinstance(choices, list) or not choices:
        raise Unusable("its reply has no choices")
    messages = [getattr(choice, "message", None) for choice in choices]
    if None in messages:
        raise Unusable("its reply has a choice without a message")
    return Reply(
        texts=tuple(_text(getattr(message, "content", None)) for message in messages),
        finishes=tuple(str(getattr(one, "finish_reason", None) or "stop") for one in choices),
        logprobs=tuple(_first_token(getattr(one, "logprobs", None)) for one in choices),
        input_tokens=_tokens(completion, "prompt_tokens"),
        output_tokens=_tokens(completion, "completion_tokens"),
    )


@dataclass(slots=True)
class _Streamed:
    """One choice as it grows."""

    parts: list[str] = field(default_factory=list)
    finish: str | None = None
    logprobs: Mapping[str, float] = field(default_factory=dict)

    def grow(self, piece: object) -> None:
        self.parts.append(_text(getattr(getattr(piece, "delta", None), "content", None)))
        self.finish = getattr(piece, "finish_reason", None) or self.finish
        self.logprobs = self.logprobs or _first_token(getattr(piece, "logprobs", None))


def pieced(chunks: Iterable[object]) -> Reply:
    """Read a streamed completion to its end.

    Raises:
        Unusable: it holds no choice, or ends before the reply does.
    """
    choices: dict[int, _Streamed] = {}
    usage: object = None
    for chunk in chunks:
        usage = chunk if getattr(chunk, "usage", None) is not None else usage
        for piece in getattr(chunk, "choices", None) or ():
            choices.setdefault(getattr(piece, "index", None) or 0, _Streamed()).grow(piece)
    if not choices:
        raise Unusable("its stream held no choices")
    if any(choice.finish is None for choice in choices.values()):
        raise Unusable("its stream was cut")
    in_order = [choices[index] for index in sorted(choices)]
    return Reply(
        texts=tuple("".join(choice.parts) for choice in in_order),
        finishes=tuple(str(choice.finish) for choice in in_order),
        logprobs=tuple(choice.logprobs for choice in in_order),
        input_tokens=_tokens(usage, "prompt_tokens"),
        output_tokens=_tokens(usage, "completion_tokens"),
    )


def _text(content: object) -> str:
    """The text of a message; some services send it in parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "".join(
            part["text"]
            for part in content
            if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return ""


def _first_token(logprobs: object) -> Mapping[str, float]:
    content = getattr(logprobs, "content", None)
    if not isinstance(content, list) or not content:
        return {}
    found = (
        (getattr(top, "token", None), getattr(top, "logprob", None))
        for top in getattr(content[0], "top_logprobs", None) or [content[0]]
    )
    return {str(token): float(value) for token, value in found if isinstance(value, int | float)}


def _tokens(found: object, name: str) -> int | None:
    count = getattr(getattr(found, "usage", None), name, None)
    return count if isinstance(count, int) and 0 <= count < 2**53 else None
