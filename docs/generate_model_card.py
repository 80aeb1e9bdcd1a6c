"""Bring docs/model-card.md up to date with the weights: run `python docs/generate_model_card.py`.

Rewrites what stands between its markers: how the members were trained, from their manifest, and the
size and SHA-256 of every file of weights. With `--run RUN`, a run of `quorum eval spider` over all
of Spider dev, also the figures. `tests/test_model_card.py` fails when the page is stale.

What is not covered: the prose, which people write.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from quorumsql.train.invented import invented

ROOT = Path(__file__).parent.parent
PAGE = Path(__file__).with_name("model-card.md")
PACKAGE = ROOT / "src" / "quorumsql"
WEIGHTS = PACKAGE / "neural" / "weights"
FITTED = ("neural/words.npz", "stages/answerable.json", "stages/relevance.json")
"""What is fitted or derived from weights, and lies elsewhere."""


def main(
    run: Annotated[Path | None, typer.Option(help="A run over all of Spider dev.")] = None,
) -> None:
    """Rewrite the page."""
    text = PAGE.read_text(encoding="utf-8")
    parts = {"training": training(), "checksums": checksums()}
    if run is not None:
        parts["figures"] = figures(json.loads((run / "summary.json").read_text(encoding="utf-8")))
    for name, lines in parts.items():
        text = replaced(text, name, lines)
    PAGE.write_text(text, encoding="utf-8")


def replaced(text: str, name: str, lines: str) -> str:
    """Return `text` with `lines` between the markers called `name`."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    return re.sub(pattern, lambda m: f"{m[1]}\n{lines}\n{m[2]}", text, flags=re.DOTALL)


def checksums() -> str:
    """A table of all files of weights."""
    files = [path for path in WEIGHTS.iterdir() if path.is_file()]
    files += [PACKAGE / name for name in FITTED]
    rows = ["| file | bytes | SHA-256 |", "|---|---|---|"]
    for path in sorted(files, key=lambda p: p.relative_to(PACKAGE).as_posix()):
        content = path.read_bytes()
        name = path.relative_to(PACKAGE).as_posix()
        rows.append(f"| `{name}` | {len(content):,} | `{sha256(content).hexdigest()}` |")
    return "\n".join(rows) + "\n"


def training() -> str:
    """What the manifest says of the training."""
    manifest = json.loads((WEIGHTS / "manifest.json").read_bytes())
    plan = manifest["plan"]
    members = ", ".join(f"`embedded/{name}`" for name in manifest["members"])
    rows = {
        "members": members,
        "files of Spider": ", ".join(f"`{name}`" for name in plan["files"]),
        "passes, questions in a batch": f"{plan['passes']}, {plan['batch']}",
        "our own questions": f"{_own_questions():,} in the file" if plan["own"] else "none",
        "invented databases": _invented() if plan.get("invented") else "none",
        "synthetic questions": f"{plan['synthetic']:,} in the first pass, fewer in each, "
        "none in the last"
        if plan["synthetic"]
        else "none",
        "questions of a database in a pass": f"at most {plan['per_database']}",
        "learning rates of encoder and decoder": f"{plan['encoder_rate']:g}, "
        f"{plan['decoder_rate']:g}",
        "word pieces hidden, questions without name matches": f"{100 * plan['masked']:.0f} %, "
        f"{100 * plan['blind']:.0f} %",
        "schemas read with other words, in the question's words": f"{100 * plan['renamed']:.0f} %, "
        f"{100 * plan['said']:.0f} % of the rest",
        "what ships": f"moving average of the weights, {plan['average']:g}, rounded to 8 bits",
        "seed": str(plan["seed"]),
        "databases held out": ", ".join(manifest["held_out"]),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows.items())]) + "\n"


def _invented() -> str:
    found = list(invented())
    count = sum(len(one.questions) for one in found)
    return f"{len(found)}, {count:,} questions in the files today"


def _own_questions() -> int:
    path = PACKAGE / "train" / "questions.tsv"
    return len(path.read_text(encoding="utf-8").splitlines())


def figures(summary: dict[str, Any]) -> str:
    """Accuracy by member and together, as a run has it."""
    rows = ["| | execution accuracy, % | 95 % interval |", "|---|---|---|"]
    low, high = summary["ci95"]
    rows.append(_row("together, trained selection", summary["execution_accuracy"], low, high))
    named = {f"`{name}`": figure for name, figure in summary["members"].items()}
    named |= {"majority of their first choices": summary["majority"]}
    named |= {"oracle: some candidate is right": summary["oracle"]}
    rows += [_row(name, figure["value"], *figure["ci95"]) for name, figure in named.items()]
    return "\n".join(rows) + "\n"


def _row(name: str, value: float, low: float, high: float) -> str:
    return f"| {name} | {100 * value:.1f} | {100 * low:.1f} to {100 * high:.1f} |"


if __name__ == "__main__":
    typer.run(main)
