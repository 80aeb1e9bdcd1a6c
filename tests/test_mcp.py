"""`quorum mcp` as agents meet it: a real process, real clients, both transports."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from command import quorum
from punctual import wait_until

TOOLS = {"ask", "schema", "search_values", "run_sql", "explain"}
OLD_CLIENT = """
import asyncio, json, sys
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client

CALLS = json.loads(sys.argv[2])

async def talk(read, write):
    async with ClientSession(read, write) as session:
        await session.initialize()
        found = {"tools": [tool.name for tool in (await session.list_tools()).tools]}
        for name, arguments in CALLS.items():
            result = await session.call_tool(name, arguments)
            found[name] = [result.isError, result.content[0].text if result.content else ""]
        print(json.dumps(found))

async def main():
    if sys.argv[1].startswith("http"):
        async with streamablehttp_client(sys.argv[1]) as (read, write, _):
            await talk(read, write)
    else:
        command, *arguments = json.loads(sys.argv[1])
        async with stdio_client(StdioServerParameters(command=command, args=arguments)) as streams:
            await talk(*streams)

asyncio.run(main())
"""
CALLS: dict[str, dict[str, str]] = {
    "ask": {"question": "How many customers are there?"},
    "schema": {"format": "compact"},
    "search_values": {"text": "Lisbon"},
    "run_sql": {"statement": "SELECT COUNT(*) FROM customer"},
    "explain": {"statement": "SELECT name FROM customer LIMIT 3"},
}


def command(shop: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "quorumsql", "mcp", "--db", str(shop), *more]


@contextmanager
def served(shop: Path) -> Iterator[str]:
    """The server over HTTP, as a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = command(shop, "--transport", "http", "--port", str(port))
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: process.poll() is not None or answers(port), seconds=120)
            assert process.poll() is None, "the server did not start"
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def text(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


async def everything(target: StdioServerParameters | str) -> dict[str, CallToolResult]:
    async with Client(target) as client:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == TOOLS
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        assert all(tool.description and tool.title for tool in tools)
        resource = await client.read_resource("schema://tables")
        assert "customer" in str(resource.contents[0])
        return {name: await client.call_tool(name, arguments) for name, arguments in CALLS.items()}


def check(found: dict[str, CallToolResult]) -> None:
    assert not [name for name, result in found.items() if result.is_error]
    asked = found["ask"].structured_content
    assert asked is not None
    assert asked["rows"] == [[6]] and 0 <= asked["confidence"] <= 1 and asked["candidates"]
    ran = found["run_sql"].structured_content
    assert ran is not None and ran["rows"] == [[6]] and ran["truncated"] is False
    assert "customer" in text(found["schema"])
    assert text(found["explain"]) == "Shows name. From customer. At most 3."
    values = found["search_values"].structured_content
    assert values is not None
    assert {"city"} <= {hit["table"] for hit in values["result"]}


def test_every_tool_over_stdio(shop: Path) -> None:
    first, *rest = command(shop)
    check(asyncio.run(everything(StdioServerParameters(command=first, args=rest))))


def test_every_tool_over_http(shop: Path) -> None:
    with served(shop) as url:
        check(asyncio.run(everything(url)))


@pytest.fixture(scope="session")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the SDK's first major version, as many clients still have it."""
    folder = tmp_path_factory.mktemp("old")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", "mcp<2"], check=True)
    return python


def old_client(python: Path, target: str) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), "-c", OLD_CLIENT, target, json.dumps(CALLS)],
        capture_output=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_client_of_the_first_sdk_completes_every_tool(shop: Path, old_python: Path) -> None:
    with served(shop) as url:
        for target in (json.dumps(command(shop)), url):
            found = old_client(old_python, target)
            assert set(found.pop("tools")) == TOOLS
            assert [name for name, (failed, _) in found.items() if failed] == []
            assert json.loads(found["run_sql"][1])["rows"] == [[6]]


def test_what_a_tool_cannot_do_is_said_in_words_and_changes_nothing(shop: Path) -> None:
    before = shop.read_bytes()

    async def talk() -> list[CallToolResult]:
        first, *rest = command(shop)
        async with Client(StdioServerParameters(command=first, args=rest)) as client:
            return [
                await client.call_tool("run_sql", {"statement": "DELETE FROM customer"}),
                await client.call_tool("run_sql", {"statement": "SELECT nothing FROM customer"}),
                await client.call_tool("ask", {"question": "  "}),
                await client.call_tool("run_sql", {"statement": "SELECT 1"}),
            ]

    deleted, unknown, blank, fine = asyncio.run(talk())
    assert deleted.is_error and "refused" in text(deleted)
    assert unknown.is_error and "nothing" in text(unknown)
    assert blank.is_error and "empty" in text(blank)
    assert not fine.is_error
    assert shop.read_bytes() == before


def test_a_follow_up_and_its_progress(shop: Path) -> None:
    steps: list[str] = []

    async def told(progress: float, total: float | None, message: str | None) -> None:
        assert total is not None and 0 <= progress <= total
        steps.append(message or "")

    async def talk() -> CallToolResult:
        first, *rest = command(shop)
        async with Client(StdioServerParameters(command=first, args=rest)) as client:
            before = {
                "question": "only Portugal",
                "previous_question": "Which cities are there?",
                "previous_sql": "SELECT name FROM city",
                "previous_confidence": 0.75,
            }
            return await client.call_tool("ask", before, progress_callback=told)

    found = asyncio.run(talk()).structured_content
    assert found is not None and found["rows"] == [["Lisbon"], ["Porto"]]
    assert found["confidence"] == 0.75 and steps[0] == "follow" and steps[-1] == "done"


def test_many_rows_are_cut_and_said_to_be(shop: Path) -> None:
    async def talk() -> CallToolResult:
        first, *rest = command(shop)
        async with Client(StdioServerParameters(command=first, args=rest)) as client:
            wide = "SELECT 1 FROM customer a, customer b, customer c, customer d"
            return await client.call_tool("run_sql", {"statement": wide})

    found = asyncio.run(talk()).structured_content
    assert found is not None
    assert len(found["rows"]) == 200 and found["row_count"] == 1296 and found["truncated"]


@pytest.mark.parametrize("client", ["claude", "cursor", "vscode"])
def test_the_printed_configuration_starts_the_server(shop: Path, client: str) -> None:
    done = quorum("mcp", "--db", shop.name, "--print-config", client, cwd=shop.parent)
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads(done.stdout)["servers" if client == "vscode" else "mcpServers"].values()
    assert str(shop) in entry["args"]  # a client starts it from anywhere
    target = StdioServerParameters(command=entry["command"], args=entry["args"])

    async def tools() -> set[str]:
        async with Client(target) as opened:
            return {tool.name for tool in (await opened.list_tools()).tools}

    assert asyncio.run(tools()) == TOOLS


def test_bad_usage_is_one_line(shop: Path) -> None:
    for arguments, words in (
        (("--db", "missing.sqlite"), "missing.sqlite"),
        (("--db", shop, "--transport", "http", "--host", "0.0.0.0"), "127.0.0.1"),
    ):
        done = quorum("mcp", *arguments)
        assert done.returncode == 2 and words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1 and not done.stdout


def test_more_calls_at_once_than_there_are_threads(shop: Path) -> None:
    """Threads that waited for their turn once held all that the transport needs."""

    async def told(progress: float, total: float | None, message: str | None) -> None:
        assert progress <= (total or 0) and message

    async def talk() -> list[CallToolResult]:
        first, *rest = command(shop)
        async with Client(StdioServerParameters(command=first, args=rest)) as client:
            ask = {"question": "How many customers are there?"}
            calls = [client.call_tool("ask", ask, progress_callback=told) for _ in range(45)]
            return await asyncio.wait_for(asyncio.gather(*calls), 300)

    found = asyncio.run(talk())
    assert not any(one.is_error for one in found)
