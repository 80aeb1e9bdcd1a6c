"""What the prompts of one question show of schemas, each rendered once.

Ten candidates are written from two schemas, and a selector sees one of them again.

What is not covered: keeping pages for the next question, whose values differ.
"""

from __future__ import annotations

import threading

from quorumsql.domain import Brief
from quorumsql.prompts.inert import fenced, harmless
from quorumsql.render import render

__all__ = ["Pages"]


class Pages:
    """Renders schemas, harmless and with `private` without values; safe to share by threads."""

    def __init__(self, *, private: bool = False) -> None:
        """Begin with nothing rendered."""
        self.private = private
        self._lock = threading.Lock()
        self._known: dict[tuple[int, int, str], tuple[Brief, str, str]] = {}

    def schema(self, brief: Brief, format: str = "mschema") -> str:
        """Return the schema of `brief` as text."""
        return self._page(brief, format)[1]

    def fenced(self, brief: Brief) -> str:
        """Return the schema of `brief` as fenced text."""
        return self._page(brief, "mschema")[2]

    def _page(self, brief: Brief, format: str) -> tuple[Brief, str, str]:
        # The brief is kept, so that no other can have its identity.
        key = (id(brief.schema), id(brief.hits), format)
        with self._lock:
            if key not in self._known:
                schema, hits = harmless(brief.schema, brief.hits, private=self.private)
                text = render(schema, format, hits=hits)
                self._known[key] = (brief, text, fenced("schema", text))
            return self._known[key]
