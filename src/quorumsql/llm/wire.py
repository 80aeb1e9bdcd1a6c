"""The chat completions protocol: a request as JSON, a reply read back, whatever its shape.

What is not covered: sending (`openai_compatible`), tools, images and sound.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from quorumsql.domain import ModelRequest
from quorumsql.llm.endpoint import Endpoint

__all__ = ["Reply", "Unusable", "body_of", "error_message", "parse", "parse_stream", "refused"]

WISHES = ("response_format", "logprobs", "n", "stream", "stop", "temperature", "top_p")
_CONTEXT = re.compile(
    r"context_length|context (length|window|size)|maximum context|too many tokens|"
    r"(prompt|input) is too long|reduce the length|maximum.{0,30}tokens.{0,40}(prompt|input)",
    re.I,
)


class Unusable(Exception):
    """A reply that is none: not JSON, cut off, empty. Asking again may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: texts, why each ended, tokens where the service counts them."""

    texts: tuple[str, ...]
    finishes: tuple[str, ...]
    logprobs: tuple[Mapping[str, float], ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None


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
        body[limit] = request.max_tokens + (8192 if endpoint.thinks else 0)
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
    text = message.lower()
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
    return status == 413 or bool(_CONTEXT.search(message))


def error_message(content: bytes) -> str:
    """Return the service's own words from an error body, "" where it has none to show."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    found = found.get("error", found) if isinstance(found, dict) else None
    if isinstance(found, dict):
        words, code = found.get("message") or found.get("detail"), found.get("code")
        if isinstance(words, str):
            words = " ".join(words.split())
            return f"{words} ({code})" if isinstance(code, str) else words
    if isinstance(found, str):
        return " ".join(found.split())
    return ""


def parse(content: bytes) -> Reply:
    """Read a whole reply.

    Raises:
        Unusable: it is not JSON, or holds no choice.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unusable("its reply is not JSON") from error
    choices = found.get("choices") if isinstance(found, dict) else None
    if not isinstance(choices, list) or not choices:
        raise Unusable("its reply has no choices")
    texts, finishes, logprobs = [], [], []
    for choice in choices:
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            raise Unusable("its reply has a choice without a message")
        texts.append(_text(message.get("content")))
        finishes.append(str(choice.get("finish_reason") or "stop"))
        logprobs.append(_first_token(choice.get("logprobs")))
    return Reply(
        texts=tuple(texts),
        finishes=tuple(finishes),
        logprobs=tuple(logprobs),
        input_tokens=_tokens(found, "prompt_tokens"),
        output_tokens=_tokens(found, "completion_tokens"),
    )


@dataclass(slots=True)
class _Streamed:
    """One choice as it grows."""

    parts: list[str] = field(default_factory=list)
    finish: str | None = None
    logprobs: Mapping[str, float] = field(default_factory=dict)


def parse_stream(lines: Iterable[str]) -> Reply:
    """Read server-sent events to their end.

    Raises:
        Unusable: an event is not JSON or an error, or the stream ends before the reply does.
    """
    choices: dict[int, _Streamed] = {}
    usage: Mapping[str, Any] = {}
    done = False
    for event in _events(lines):
        if event == "[DONE]":
            done = True
            break
        try:
            found = json.loads(event)
        except (ValueError, RecursionError) as error:
            raise Unusable("its stream is not JSON") from error
        if not isinstance(found, dict) or "error" in found:
            raise Unusable("its stream ended in an error")
        usage = found if found.get("usage") else usage
        for choice in found.get("choices") or ():
            _grow(choices.setdefault(int(choice.get("index") or 0), _Streamed()), choice)
    if not choices:
        raise Unusable("its stream held no choices")
    if not done and any(choice.finish is None for choice in choices.values()):
        raise Unusable("its stream was cut")
    whole = [choices[index] for index in sorted(choices)]
    return Reply(
        texts=tuple("".join(choice.parts) for choice in whole),
        finishes=tuple(choice.finish or "stop" for choice in whole),
        logprobs=tuple(choice.logprobs for choice in whole),
        input_tokens=_tokens(usage, "prompt_tokens"),
        output_tokens=_tokens(usage, "completion_tokens"),
    )


def _events(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("data:"):
            yield line[5:].strip()


def _grow(choice: _Streamed, piece: Mapping[str, Any]) -> None:
    delta = piece.get("delta")
    if isinstance(delta, dict):
        choice.parts.append(_text(delta.get("content")))
    if piece.get("finish_reason"):
        choice.finish = str(piece["finish_reason"])
    if not choice.logprobs:
        choice.logprobs = _first_token(piece.get("logprobs"))


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
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list) or not content or not isinstance(content[0], dict):
        return {}
    tops = content[0].get("top_logprobs") or [content[0]]
    return {
        str(top["token"]): float(top["logprob"])
        for top in tops
        if isinstance(top, dict) and isinstance(top.get("logprob"), int | float) and "token" in top
    }


def _tokens(found: Mapping[str, Any], name: str) -> int | None:
    usage = found.get("usage")
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and count >= 0 else None
