"""The OpenAPI description, held against the running server: whatever is sent, it never breaks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from web_server import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shop_bytes: bytes) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("contract")
    (folder / "shop.sqlite").write_bytes(shop_bytes)
    config = "[limits]\nseconds = 2\n[web]\nper_minute = 1000000\n"
    script = {"one": ["SELECT name, population FROM city"]}
    with served(folder, [str(folder / "shop.sqlite")], config=config, script=script) as found:
        yield found


def test_schemathesis_finds_no_error_of_the_server(server: Served, tmp_path: Path) -> None:
    line = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/openapi.json",
        "--checks", "not_a_server_error", "--max-examples", "15", "--phases", "examples,fuzzing",
        "--seed", "7", "--request-timeout", "20", "--no-color", "--exclude-path", "/ready",
    ]  # fmt: skip
    done = subprocess.run(
        line, capture_output=True, encoding="utf-8", cwd=tmp_path, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert re.search(r"\b\d+ passed|No issues found", done.stdout), done.stdout[-1000:]


def test_the_description_covers_what_there_is(server: Served) -> None:
    described = server.client().get("/openapi.json").json()
    assert {
        "/v1/ask", "/v1/sql", "/v1/databases", "/v1/schema", "/v1/history", "/v1/history/{entry}",
        "/v1/runs/{run}", "/v1/runs/{run}/events", "/v1/runs/{run}/reading",
        "/v1/runs/{run}/verdict", "/v1/examples", "/v1/examples/{example}",
        "/v1/chat/completions", "/v1/models", "/health", "/ready",
    } <= set(described["paths"])  # fmt: skip
    ask = described["paths"]["/v1/ask"]["post"]
    assert {"200", "401", "404", "413", "422", "429"} <= set(ask["responses"])
    assert "password" not in json.dumps(described)


def test_another_page_cannot_reach_an_open_server(server: Served) -> None:
    client = server.client()
    assert client.get("/v1/databases").status_code == 200
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        assert client.get("/v1/databases", headers=headers).status_code == 403
