"""The model card tells the weights that ship: their checksums, and how they were trained."""

from __future__ import annotations

import re
import runpy
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parent.parent
CARD = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
FRESH = runpy.run_path(str(ROOT / "docs" / "generate_model_card.py"))
PACKAGE = ROOT / "src" / "quorumsql"


def test_checksums_are_those_of_the_files() -> None:
    stated = re.findall(r"^\| `(\S+)` \| [\d,]+ \| `([0-9a-f]{64})` \|$", CARD, re.MULTILINE)
    assert len(stated) > 10
    for name, digest in stated:
        found = sha256((PACKAGE / name).read_bytes()).hexdigest()
        assert found == digest, f"{name} is another: run python docs/generate_model_card.py"


def test_every_file_of_weights_has_a_checksum() -> None:
    for path in (PACKAGE / "neural" / "weights").iterdir():
        assert f"`neural/weights/{path.name}`" in CARD


def test_the_card_says_how_these_weights_were_trained() -> None:
    again = FRESH["replaced"](CARD, "training", FRESH["training"]())
    assert again == CARD, "docs/model-card.md is stale: run python docs/generate_model_card.py"
