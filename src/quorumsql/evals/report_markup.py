"""Small pieces of the report's page: sections, tables, buttons.

What is given as a cell or a body is markup already; everything else is escaped here.

What is not covered: pictures (`report_charts`) and what the sections say (`report`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["filter_button", "quoted", "section", "table"]


def section(title: str, body: str) -> str:
    """Return a section of the page."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def filter_button(expression: str, words: str) -> str:
    """Return a button that shows the questions that fit a filter expression."""
    return f'<button class="value" data-filter="{escape(expression)}">{escape(words)}</button>'


def quoted(text: str) -> str:
    """Return text as filter expressions write it."""
    return "'" + text.replace("'", "''") + "'"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, name: str = "") -> str:
    """Return a table whose cells are markup already; columns of numbers stand to the right."""
    lines = list(rows)
    numeric = [all(_is_number(line[at]) for line in lines) for at in range(len(header))]

    def row(tag: str, cells: Sequence[str]) -> str:
        marks = (' class="n"' if number else "" for number in numeric)
        return (
            "<tr>"
            + "".join(
                f"<{tag}{mark}>{cell}</{tag}>" for mark, cell in zip(marks, cells, strict=True)
            )
            + "</tr>"
        )

    body = "".join(row("td", line) for line in lines)
    return f'<table class="{name}"><thead>{row("th", header)}</thead><tbody>{body}</tbody></table>'


def _is_number(text: str) -> bool:
    return text.replace(".", "").replace(",", "").isdigit()
