"""Read no more of a question than a policy allows.

What is not covered: which part of a long text matters; its beginning is read.
"""

from __future__ import annotations

__all__ = ["shorten"]


def shorten(text: str, most: int) -> tuple[str, str]:
    """Return at most the first `most` characters of `text`, cut between words, and a warning.

    Where nothing was cut the warning is empty.
    """
    if len(text) <= most:
        return text, ""
    warning = f"The question was cut: only its first {most} characters were read."
    return text[:most].rsplit(None, 1)[0], warning
