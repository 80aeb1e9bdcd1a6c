"""The report as Markdown, for pull requests and for reading in a terminal.

Text of models and databases stands in code spans and fences that it cannot close.

What is not covered: browsing; it lists the first wrong answers only, the HTML page has all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from quorumsql.disk import encodable
from quorumsql.evals.compare import Comparison
from quorumsql.evals.figures import percent, points, spread, spread_of_points, whole
from quorumsql.evals.predictions import Prediction, Preview
from quorumsql.evals.report import title_of
from quorumsql.evals.summary import Summary, rows_of_summary

__all__ = ["render_comparison", "render_markdown"]

_WRONG_SHOWN = 20
_FLIPPED_SHOWN = 50


def render_markdown(
    summary: Summary,
    predictions: Sequence[Prediction],
    config: Mapping[str, object],
    comparison: Comparison | None = None,
) -> str:
    """Return the report."""
    wrong = [p for p in predictions if not p.correct]
    parts = [
        f"# {_plain(title_of(predictions, config))}\n",
        _table(("figure", "value"), rows_of_summary(summary)),
    ]
    if comparison is not None:
        parts.append(render_comparison(comparison))
    parts += [
        "## By hardness\n",
        _parts(summary["hardness"].items()),
        "## By SQL feature\n",
        _parts((part["filter"], part) for part in (*summary["slices"], *summary["features"])),
        "## By database\n",
        _parts(summary["databases"].items()),
        "## Errors\n",
        _table(("class", "questions"), summary["errors"].items()),
        "## Is confidence honest?\n",
        _reliability(summary),
        *_contributions(summary),
        f"## Wrong answers ({min(len(wrong), _WRONG_SHOWN)} of {len(wrong)})\n",
        *(_wrong(prediction) for prediction in wrong[:_WRONG_SHOWN]),
    ]
    return encodable("\n".join(parts))


def render_comparison(comparison: Comparison) -> str:
    """Return a comparison of two runs as a section."""
    one, two = comparison.accuracies
    difference = comparison.difference
    rows = [
        (name, percent(each.value), spread((each.low, each.high)))
        for name, each in zip(comparison.names, (one, two), strict=True)
    ]
    bounds = spread_of_points((difference.low, difference.high))
    rows.append(("difference, paired", points(difference.value), bounds))
    flipped = [
        (
            pair.second.index,
            pair.second.db_id,
            "gained" if pair.second.correct else "lost",
            pair.second.question,
        )
        for pair in comparison.pairs
        if pair.flipped
    ]
    text = [
        "## Compared with another run\n",
        _table(("run", "accuracy", "95 % interval"), rows),
        f"{comparison.verdict}\n",
        f"{len(comparison.pairs)} questions in both, {len(comparison.gained)} gained, "
        f"{len(comparison.lost)} lost, McNemar p = {comparison.mcnemar_p:.3g}; "
        f"{comparison.only_first} only in the first run, {comparison.only_second} only in the "
        "second.\n",
    ]
    if flipped:
        shown = flipped[:_FLIPPED_SHOWN]
        text.append(_table(("index", "database", "", "question"), shown))
    if len(flipped) > _FLIPPED_SHOWN:
        text.append(f"… and {len(flipped) - _FLIPPED_SHOWN} more.\n")
    return "\n".join(text)


def _parts(parts: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    rows = []
    for name, part in parts:
        bounds = "–" if part["ci95"] is None else spread(part["ci95"])
        rows.append((name, percent(part["execution_accuracy"]), bounds, part["n"]))
    return _table(("", "accuracy", "95 % interval", "questions"), rows)


def _reliability(summary: Summary) -> str:
    found = summary["reliability"]
    if not found["bins"]:
        return "No question has a verdict.\n"
    rows = [
        (
            f"{100 * b['from']:.0f} to {whole(b['to'])}",
            percent(b["confidence"]),
            percent(b["execution_accuracy"]),
            b["n"],
        )
        for b in found["bins"]
    ]
    low, high = found["brier_ci95"]
    return "\n".join(
        [
            _table(("confidence", "mean", "right", "answers"), rows),
            f"Expected calibration error {percent(found['ece'])} ({spread(found['ece_ci95'])}), "
            f"Brier score {found['brier']:.3f} ({low:.3f} to {high:.3f}).\n",
            _table(
                ("wrong answers, at most", "questions answered", "95 % interval", "questions"),
                [
                    (whole(p["risk"]), percent(p["coverage"]), spread(p["ci95"]), p["n"])
                    for p in summary["coverage_at_risk"]
                ],
            ),
        ]
    )


def _contributions(summary: Summary) -> list[str]:
    """How often generators agree, and what each gives where they do not."""
    if "contributions" not in summary:
        return []
    apart = summary["contributions"]
    rows = [
        (
            name,
            *(percent(each[key]["value"]) for key in ("answers", "agrees", "right", "alone")),
            ", ".join(f"{key} {percent(share)}" for key, share in each["right_with"].items()),
        )
        for name, each in apart["generators"].items()
    ]
    header = (
        "",
        "wrote the answer",
        "has its result",
        "right",
        "alone right",
        "right with, of all",
    )
    return [
        "## What each generator contributes\n",
        f"On the {apart['n']} questions that are not unanimous:\n",
        _table(header, rows),
    ]


def _wrong(prediction: Prediction) -> str:
    title = f"{prediction.index} · {_plain(prediction.db_id)} · {prediction.error or 'wrong'}"
    return "\n".join(
        [
            f"### {title}\n",
            f"{_plain(prediction.question)}\n",
            *(_fenced("gold", prediction.gold, prediction.gold_preview) if prediction.gold else ()),
            *_fenced("prediction", prediction.sql or "no SQL", prediction.predicted_preview),
            *([_fence(prediction.unscored)] if prediction.unscored else []),
        ]
    )


def _fenced(title: str, sql: str, preview: Preview | None) -> list[str]:
    lines = [f"{title}:\n", _fence(sql)]
    if preview is not None and preview.error is not None:
        lines.append(_fence(preview.error))
    elif preview is not None and preview.rows:
        lines.append(_table(preview.columns, preview.rows))
        lines.append(f"{preview.count} rows\n")
    elif preview is not None:
        lines.append("no rows\n")
    return lines


def _fence(text: str) -> str:
    """A block that ends where we say, whatever ticks are in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{text}\n{ticks}\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [
        "| " + " | ".join(map(_plain, header)) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(_plain(str(cell)) for cell in row) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text on one line that Markdown takes for text: nothing in it marks up, links or embeds."""
    words = " ".join(text.split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
    marks = re.search(r"[\\`*\[\]<#!|&@]|://", line)
    return re.sub(r"([\\`*\[\]<()#!|&@:])", r"\\\1", line) if marks else line
