"""Read no more of a question than a policy allows.

What is not covered: which part of a long text matters; its beginning is read, but of a question and
its follow-up always the follow-up.
"""

from __future__ import annotations

__all__ = ["after", "shorten"]

_LEAST = 20
"""Of fewer characters of a question there is nothing left to go on from."""


def shorten(text: str, most: int) -> tuple[str, str]:
    """Return at most the first `most` characters of `text`, cut between words, and a warning.

    Where nothing was cut the warning is empty.
    """
    if len(text) <= most:
        return text, ""
    warning = f"The question was cut: only its first {most} characters were read."
    return text[:most].rsplit(None, 1)[0], warning


def after(before: str, words: str, most: int) -> tuple[str, str]:
    """Return a follow-up with the question before it, and a warning where that was cut.

    Together they have at most `most` characters, unless `words` alone have more.
    """
    question, room = before.rstrip("?. "), most - len(words) - 2
    if len(question) <= room:
        return f"{question}, {words}", ""
    if len(words) > most:
        return words, ""  # they are cut themselves, and that is said
    if room < _LEAST:
        return words, "The question before was left out: with the follow-up it was too long."
    kept = question[:room].rsplit(None, 1)[0]
    return f"{kept}, {words}", f"Of the question before, only {len(kept)} characters were read."
