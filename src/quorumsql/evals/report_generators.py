"""The report's sections about generators and about confidence.

What is not covered: how the figures come about (`agreement`, `reliability`, `risk`).
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from quorumsql.evals.figures import percent, spread, whole
from quorumsql.evals.report_charts import interval, reliability_diagram
from quorumsql.evals.report_markup import section, table
from quorumsql.evals.summary import BOUNDS, Summary

__all__ = ["confidence_section", "contributions_section", "members_section"]


def confidence_section(summary: Summary) -> str:
    """Return the reliability diagram, its errors, and how many questions can be answered."""
    found = summary["reliability"]
    if not found["bins"]:
        return ""
    low, high = found["brier_ci95"]
    note = (
        f'<p class="note">Expected calibration error {percent(found["ece"])} '
        f"({spread(found['ece_ci95'])}; ten bins of as many answers each), Brier score "
        f"{found['brier']:.3f} ({low:.3f} to {high:.3f}). The dashed line is perfect calibration; "
        "the shaded bars show how many answers have that confidence.</p>"
    )
    rows = [
        (
            f"at most {whole(point['risk'])} wrong",
            _figure(point["coverage"], point["ci95"]),
            "–" if point["confidence"] is None else percent(point["confidence"]),
            str(point["n"]),
        )
        for point in summary["coverage_at_risk"]
    ]
    header = ("of the answers", "questions that can be answered", "from confidence", "questions")
    body = reliability_diagram(found["bins"], found["histogram"]) + note + table(header, rows)
    return section("Is confidence honest?", body)


def members_section(summary: Summary) -> str:
    """Return what generators reach alone and together, and the bounds of any choice."""
    if "members" not in summary:
        return ""
    named = {**summary["members"]} | {k: summary[k] for k in ("majority", *BOUNDS)}
    rows = [
        (escape(name.replace("_", " ")), _figure(f["value"], f["ci95"]))
        for name, f in named.items()
    ]
    note = (
        '<p class="note">The oracle is right when any candidate is, the lower bound when every '
        "candidate that ran is; &#8220;of members&#8221; counts each generator's best "
        "hypothesis only.</p>"
    )
    return section("Members, their majority, and the oracle", table(("", "accuracy"), rows) + note)


def contributions_section(summary: Summary) -> str:
    """Return how often generators agree, and what each gives where they do not."""
    if "contributions" not in summary:
        return ""
    agreed, apart = summary["unanimity"], summary["contributions"]
    said = (
        f"<p>Unanimous on {agreed['n']} questions, {percent(agreed['rate'])} "
        f"({spread(agreed['ci95'])})"
    )
    if agreed["accuracy_ci95"] is not None:
        said += f", and then right on {percent(agreed['accuracy'])} "
        said += f"({spread(agreed['accuracy_ci95'])})"
    said += f".{_saved(summary)} On the other {apart['n']}:</p>"
    rows = [_contribution(name, each) for name, each in apart["generators"].items()]
    header = ("", "wrote the answer", "has its result", "right", "alone right", "right with")
    note = (
        '<p class="note">The last column is a share of all questions: R2 are those that this and '
        "one other generator answer right.</p>"
    )
    return section("What each generator contributes", said + table(header, rows) + note)


def _saved(summary: Summary) -> str:
    """Return a sentence on the calls that a cascade did not make; empty where all were made."""
    calls = summary.get("calls")
    if not calls or calls["made"] == calls["of"]:
        return ""
    return (
        f" {calls['made']} of {calls['of']} calls were made, {percent(calls['saved'])} were saved; "
        f"{percent(calls['alone'])} of the questions took one call."
    )


def _contribution(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    def share(key: str) -> str:
        each = found[key]
        if each["ci95"] is None:
            return "–"
        return f'{percent(each["value"])} <span class="dim">{spread(each["ci95"])}</span>'

    with_others = ", ".join(f"{key} {percent(value)}" for key, value in found["right_with"].items())
    shares = (share(key) for key in ("answers", "agrees", "right", "alone"))
    return escape(name), *shares, escape(with_others)


def _figure(value: float, ci95: tuple[float, float]) -> str:
    words = f'{percent(value)} <span class="dim">{spread(ci95)}</span>'
    return words + interval(value, *ci95)
