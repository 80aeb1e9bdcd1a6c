"""One self-contained HTML page about a run: figures and charts, then every question to browse.

The page asks nothing of the network: its content policy forbids every request, and allows exactly
the one script and the one style sheet in it, by their hashes. Text of models and databases is
escaped here, or becomes text nodes in the script; it is never markup.

What is not covered: more rows of a result than predictions.jsonl keeps.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from quorumsql.disk import encodable
from quorumsql.evals.compare import Comparison
from quorumsql.evals.diagnose import ERRORS
from quorumsql.evals.figures import percent, points, spread, spread_of_points
from quorumsql.evals.predictions import Prediction
from quorumsql.evals.report_charts import bar, interval
from quorumsql.evals.report_generators import (
    confidence_section,
    contributions_section,
    members_section,
)
from quorumsql.evals.report_items import Packed, pack
from quorumsql.evals.report_markup import filter_button, quoted, section, table
from quorumsql.evals.summary import Summary

__all__ = ["render_report", "title_of"]

_PAGE = Path(__file__).parent / "page"
_MOST_DATABASES = 400


def render_report(
    summary: Summary,
    predictions: Sequence[Prediction],
    config: Mapping[str, object],
    comparison: Comparison | None = None,
) -> str:
    """Return the page; with `comparison` it also shows what changed since another run."""
    others = {} if comparison is None else {p.second.index: p.first for p in comparison.pairs}
    script = (_PAGE / "report.js").read_text(encoding="utf-8")
    style = (_PAGE / "report.css").read_text(encoding="utf-8")
    title = title_of(predictions, config)
    packed = pack(predictions, others)
    parts = [
        _head(title, script, style),
        f'<header><h1>{escape(title)}</h1><p class="dim">{escape(_subtitle(config))}</p></header>',
        _figures(summary),
        _comparison(comparison),
        '<div class="grid">',
        _hardness(summary),
        _errors(summary),
        _features(summary),
        confidence_section(summary),
        _databases(summary),
        members_section(summary),
        contributions_section(summary),
        _cost(summary),
        "</div>",
        _questions(packed),
        _configuration(config),
        "</main>",
        f'<script id="data" type="application/json" data-packed="{_packing(packed)}">'
        f"{packed.text}</script>",
        f"<script>{script}</script></body></html>\n",
    ]
    return encodable("".join(parts))


def title_of(predictions: Sequence[Prediction], config: Mapping[str, object]) -> str:
    """Return the name of a run's report."""
    return f"{config.get('benchmark', 'Benchmark')}: {len(predictions)} questions"


def _head(title: str, script: str, style: str) -> str:
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(sha256(text.encode("utf-8")).digest()).decode("ascii")


def _packing(packed: Packed) -> str:
    return "gzip" if packed.compressed else "no"


def _subtitle(config: Mapping[str, object]) -> str:
    questions = Path(str(config.get("questions", ""))).name
    settings = config.get("settings")
    generators = settings.get("generators") if isinstance(settings, Mapping) else None
    names = ", ".join(map(str, generators)) if isinstance(generators, list | tuple) else ""
    version = config.get("version")
    said = [questions, names, f"quorumsql {version}" if version else ""]
    return " · ".join(words for words in said if words)


def _figures(summary: Summary) -> str:
    low, high = summary["ci95"]
    latency = summary["latency_ms"].get("answer")
    beside = (("soft_f1", "soft F1"), ("r_ves", "R-VES"))
    cost = summary["usage"]
    figures = [
        (
            percent(summary["execution_accuracy"]),
            f"execution accuracy, 95 % interval {spread((low, high))}"
            + interval(summary["execution_accuracy"], low, high),
        ),
        (f"{summary['correct']} of {summary['n']}", "questions right"),
        (f"{summary['abstained']}", f"abstained; {_answered(summary)}"),
        (f"{summary['unscored']}", f"unscored; ceiling {percent(summary['ceiling'])}"),
    ]
    for key, words in beside:
        if key in summary:
            found = summary[key]
            text = f"{words}, 95 % interval {spread(found['ci95'])}"
            figures.append((percent(found["value"]), text))
    if latency:
        text = f"median answer, 95th percentile {latency['p95']:.0f} ms"
        figures.append((f"{latency['median']:.0f} ms", text))
    if cost["calls"]:
        figures.append((_dollars(cost["usd"]), f"for {cost['calls']} model calls"))
    cards = "".join(f'<div class="figure"><b>{a}</b><span>{b}</span></div>' for a, b in figures)
    return f'<div class="figures">{cards}</div>'


def _answered(summary: Summary) -> str:
    return f"{percent(summary['accuracy_when_answered'])} right when answered"


def _comparison(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    one, two = comparison.accuracies
    difference = comparison.difference
    rows = [
        (escape(name), percent(each.value), spread((each.low, each.high)))
        for name, each in zip(comparison.names, (one, two), strict=True)
    ]
    rows.append(
        (
            "difference, paired",
            points(difference.value),
            spread_of_points((difference.low, difference.high)),
        )
    )
    return section(
        "Compared with another run",
        table(("", "accuracy", "95 % interval"), rows)
        + f"<p><b>{escape(comparison.verdict)}</b></p>"
        + f"<p>On {len(comparison.pairs)} questions of both: "
        + f"{filter_button('gained', f'{len(comparison.gained)} gained')}, "
        + f"{filter_button('lost', f'{len(comparison.lost)} lost')}; "
        + f"McNemar p = {comparison.mcnemar_p:.3g}. "
        + f"{comparison.only_first} questions only in the first, {comparison.only_second} only "
        + "in the second.</p>",
    )


def _hardness(summary: Summary) -> str:
    parts = summary["hardness"]
    rows = [_part_row(f"hardness = {quoted(name)}", name, part) for name, part in parts.items()]
    return section("By hardness", table(_PART, rows))


def _features(summary: Summary) -> str:
    asked = [_part_row(part["filter"], part["filter"], part) for part in summary["slices"]]
    usual = [_part_row(part["filter"], part["filter"], part) for part in summary["features"]]
    if not asked and not usual:
        return ""
    note = '<p class="note">What the gold query is made of. Press one to see its questions.</p>'
    return section("By SQL feature", table(_PART, [*asked, *usual]) + note)


def _databases(summary: Summary) -> str:
    rows = [
        _part_row(f"db = {quoted(name)}", name, part)
        for name, part in list(summary["databases"].items())[:_MOST_DATABASES]
    ]
    return section("By database", table(_PART, rows))


_PART = ("", "accuracy, 95 % interval", "right", "questions")


def _part_row(expression: str, name: str, part: Mapping[str, Any]) -> tuple[str, ...]:
    """One line of a table of parts; pressing its name filters the questions."""
    value = part["execution_accuracy"]
    figures = percent(value)
    if value is not None:
        low, high = part["ci95"]
        figures += f' <span class="dim">{spread((low, high))}</span>{interval(value, low, high)}'
    return filter_button(expression, name), figures, str(part["correct"]), str(part["n"])


def _errors(summary: Summary) -> str:
    counts: Mapping[str, int] = summary["errors"]
    most = max(counts.values(), default=1)
    rows = [
        (
            filter_button(f"error = {quoted(name)}", name)
            + f'<div class="note">{escape(ERRORS.get(name, ""))}</div>',
            bar(count / most),
            str(count),
        )
        for name, count in counts.items()
    ]
    differs = ", ".join(f"{escape(part)} {count}" for part, count in summary["differs"].items())
    note = f'<p class="note">Where wrong SQL differs from gold: {differs}.</p>' if differs else ""
    shown = table(("class", "", "questions"), rows) if rows else "<p>Nothing is wrong.</p>"
    return section("Errors", shown + note)


def _cost(summary: Summary) -> str:
    rows = [
        (
            escape(stage),
            f"{spent['median']:.1f}",
            f"{spent['p95']:.1f}",
            f"{spent['total'] / 1000:.1f}",
        )
        for stage, spent in summary["latency_ms"].items()
    ]
    if not rows:
        return ""
    usage = summary["usage"]
    count = summary["n"] or 1
    note = (
        f'<p class="note">Model calls {usage["calls"]}, tokens in {usage["input_tokens"]}, out '
        f"{usage['output_tokens']}; {_dollars(usage['usd'])} in all, "
        f"{_dollars(usage['usd'], over=count)} a question.</p>"
    )
    header = ("stage", "median, ms", "95th percentile, ms", "all, s")
    return section("Time and cost", table(header, rows) + note)


def _dollars(usd: float | None, *, over: int = 1) -> str:
    return "unknown price" if usd is None else f"${usd / over:.4f}"


def _questions(packed: Packed) -> str:
    left_out = f'<p class="note">To keep this page small, {packed.left_out}; predictions.jsonl has '
    left_out += "everything.</p>"
    return (
        '<section id="questions"><h2>Questions</h2>'
        "<noscript><p>Browsing questions needs JavaScript; predictions.jsonl has them too.</p>"
        '</noscript><div id="filters" hidden>'
        '<input id="expression" type="search" spellcheck="false" aria-label="Filter" '
        'placeholder="joins &gt; 1 and subquery = 0">'
        '<input id="words" type="search" aria-label="Words" '
        'placeholder="words in question, SQL or error">'
        '<select id="verdict" aria-label="Verdict"><option value="">right and wrong</option>'
        '<option value="wrong" selected>wrong</option><option value="right">right</option></select>'
        '<select id="database" aria-label="Database"><option value="">all databases</option>'
        '</select></div><p id="problem" role="alert"></p><p id="count" class="dim"></p>'
        '<div id="list"></div><button id="more" hidden></button>'
        + (left_out if packed.left_out else "")
        + "</section>"
    )


def _configuration(config: Mapping[str, object]) -> str:
    rows = [(escape(key), escape(str(value))) for key, value in config.items()]
    return section("Configuration", table(("key", "value"), rows, name="config"))
