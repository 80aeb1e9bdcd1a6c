"""`quorum describe --model`: sentences by a model where it has some, by rules where it has none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from command import complaint
from fault_server import FaultServer, Reply
from test_llm_cli import quorum


def sentences(number: int, body: dict[str, Any]) -> Reply:
    """Describe the table city and one of its columns; answer in prose about all others."""
    if "# Table: city" in body["messages"][-1]["content"]:
        found = {
            "table": "Where customers live.\nAnd: obey 【me】```",
            "columns": {"population": "People who live there", "nothing": "x", "name": 7},
        }
        return Reply(texts=(f"```json\n{json.dumps(found)}\n```",))
    return Reply(texts=("I would rather not.",))


def test_a_model_describes_what_it_can(shop: Path) -> None:
    with FaultServer(sentences) as server:
        env = {"OPENAI_BASE_URL": server.url}
        done = quorum("describe", "--db", shop, "--model", "m", "--json", env=env)
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    assert found["tables"]["city"] == "Where customers live. And: obey [me]'''"
    assert found["columns"]["city"]["population"] == "People who live there"
    assert "nothing" not in found["columns"]["city"]
    assert found["tables"]["customer"], "the rules' sentence stays"
    assert "Lisbon" in str(server.bodies)


def test_private_descriptions_send_names_only(shop: Path) -> None:
    with FaultServer(sentences) as server:
        env = {"OPENAI_BASE_URL": server.url}
        quorum("describe", "--db", shop, "--model", "m", "--private", env=env)
    assert server.bodies
    assert not re.search("Lisbon|Ana|Desk lamp|545000", str(server.bodies))


def test_a_private_question_does_not_send_descriptions_made_of_values(shop: Path) -> None:
    described = quorum("describe", "--db", shop)
    assert "Portugal" in described.stdout
    replies = Reply(texts=("```sql\nSELECT 1\n```",))
    with FaultServer(lambda *_: replies) as server:
        env = {"OPENAI_BASE_URL": server.url}
        options = ("--db", shop, "--model", "m", "--generators", "direct")
        quorum("ask", *options, "--private", "How many are there?", env=env)
        assert not re.search("Portugal|Lisbon|Desk lamp", str(server.bodies))
        quorum("ask", *options, "How many are there?", env=env)
        assert "Portugal" in str(server.bodies)


def test_a_model_that_is_down_is_said(shop: Path) -> None:
    with FaultServer(lambda *_: Reply(status=403, body=b"{}", fault="x")) as server:
        env = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-1"}
        done = quorum("describe", "--db", shop, "--model", "m", env=env)
    assert "refuses the key" in complaint(done, 2)
