"""One self-contained HTML page about a run: figures, then every wrong answer to browse.

What is not covered: charts, and right answers, which stand in predictions.jsonl.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from quorumsql.evals.predictions import Prediction, Preview
from quorumsql.evals.summary import Summary, rows_of_summary

__all__ = ["render_report"]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --bad: #c33; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: .5rem 0; }
th, td { border: 1px solid var(--line); padding: .2rem .6rem; text-align: left; }
td { vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: var(--soft); padding: .5rem; overflow-x: auto; white-space: pre-wrap; }
details { border: 1px solid var(--line); margin: .4rem 0; padding: .3rem .7rem; }
summary { cursor: pointer; } .dim { opacity: .65; } .bad { color: var(--bad); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
.pair > * { min-width: 0; overflow-x: auto; }
input, select { font: inherit; padding: .2rem; }
"""

_SCRIPT = """
const database = document.getElementById("database"), words = document.getElementById("words");
const cards = [...document.querySelectorAll("details")], shown = document.getElementById("shown");
function filter() {
  const wanted = words.value.toLowerCase();
  let count = 0;
  for (const card of cards) {
    const fits = (!database.value || card.dataset.database === database.value)
      && card.textContent.toLowerCase().includes(wanted);
    card.hidden = !fits;
    count += fits;
  }
  shown.textContent = count;
}
database.addEventListener("change", filter);
words.addEventListener("input", filter);
"""


def render_report(
    summary: Summary,
    predictions: Sequence[Prediction],
    gold: Mapping[int, str],
    config: Mapping[str, object],
) -> str:
    """Return the page. `gold` maps a question's index to its gold query."""
    wrong = [p for p in predictions if not p.correct]
    title = f"{config.get('benchmark', 'Benchmark')}: {len(predictions)} questions"
    databases = sorted({p.db_id for p in wrong})
    options = "".join(f"<option>{escape(name)}</option>" for name in databases)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>"
        + _table(("figure", "value"), rows_of_summary(summary))
        + "<h2>Per database</h2>"
        + _table(("database", "right", "questions", "accuracy"), _database_rows(predictions))
        + "<h2>Configuration</h2>"
        + _table(("key", "value"), ((key, str(value)) for key, value in config.items()))
        + f'<h2>Wrong answers (<span id="shown">{len(wrong)}</span> of {len(wrong)})</h2>'
        + f'<p><select id="database"><option value="">all databases</option>{options}</select> '
        + '<input id="words" type="search" placeholder="words in question, SQL or error"></p>'
        + "".join(_card(p, gold[p.index]) for p in wrong)
        + f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _database_rows(predictions: Sequence[Prediction]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name in sorted({p.db_id for p in predictions}):
        right = [p.correct for p in predictions if p.db_id == name]
        rows.append((name, str(sum(right)), str(len(right)), f"{sum(right) / len(right):.1%}"))
    return rows


def _card(prediction: Prediction, gold: str) -> str:
    head = (
        f'<span class="dim">{prediction.index} · {escape(prediction.db_id)}</span> '
        f"{escape(prediction.question)} "
        f'<span class="dim">confidence {prediction.confidence:.2f}</span>'
    )
    if prediction.unscored:
        head += ' <span class="bad">unscored</span>'
    body = (
        '<div class="pair">'
        f"<div><b>Gold</b><pre>{escape(gold)}</pre>{_result(prediction.gold_preview)}</div>"
        f"<div><b>Answer</b><pre>{escape(prediction.sql or 'no SQL')}</pre>"
        f"{_result(prediction.predicted_preview)}</div></div>"
    )
    if prediction.unscored:
        body += f"<pre>{escape(prediction.unscored)}</pre>"
    if prediction.candidates:
        body += _table(
            ("generator", "weight", "group", "status", "right", "SQL"),
            (
                (
                    vote.generator,
                    f"{vote.weight:.2f}",
                    "" if vote.group is None else str(vote.group),
                    vote.status,
                    "yes" if vote.correct else "",
                    vote.sql,
                )
                for vote in prediction.candidates
            ),
        )
    return (
        f'<details data-database="{escape(prediction.db_id)}"><summary>{head}</summary>'
        f"{body}</details>"
    )


def _result(preview: Preview | None) -> str:
    if preview is None:
        return ""
    if preview.error is not None:
        return f'<p class="bad">{escape(preview.error)}</p>'
    more = f'<p class="dim">{preview.count} rows</p>'
    return _table(preview.columns, preview.rows) + more


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
