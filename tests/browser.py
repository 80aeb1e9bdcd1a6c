"""A real Chromium for tests of pages: Debian's, driven by playwright.

It is installed here when tests run as root, as continuous integration does. Pages come from files
or from this machine; the browser has no other network, and every request of a page is noted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

PATIENCE = 60_000.0
"""How many milliseconds a page may take to show something; a busy machine needs many."""
SCREENSHOTS = os.environ.get("QUORUM_SCREENSHOTS")
INSTALL = "apt-get install --yes --no-install-recommends chromium fonts-dejavu-core"


@dataclass(frozen=True)
class Opened:
    """A page, what it asked for beside itself, and what it complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def chromium() -> str:
    """Path of a Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise RuntimeError(f"These tests need Chromium. Run: sudo {INSTALL}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update", f"{INSTALL} -o DPkg::Lock::Timeout=300"):
        subprocess.run(command.split(), check=True, env=environment, stdout=subprocess.DEVNULL)
    return shutil.which("chromium") or "chromium"


@contextmanager
def started() -> Iterator[Browser]:
    """Run a browser; pages of one module share it."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser, place: Path | str, *, width: int = 1280, height: int = 900
) -> Iterator[Opened]:
    """Open a page from a file or an address, as somebody who has never been there."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(PATIENCE)
    try:
        page = context.new_page()
        found = Opened(page)
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("console", lambda message: found.complaints.extend(_bad(message)))
        page.on("dialog", lambda dialog: found.complaints.append(f"dialog {dialog.message}"))
        page.goto(place if isinstance(place, str) else place.resolve().as_uri())
        yield found
    finally:
        context.close()


def ask(page: Page, question: str) -> None:
    """Ask on the page of `quorum serve`, and wait for the answer."""
    page.fill("#question", question)
    page.press("#question", "Enter")
    expect(page.locator("#status")).to_contain_text("Answered in")


def note_what_is_said(page: Page) -> None:
    """From now on, keep what the page says while it works, for `what_was_said`."""
    page.evaluate(
        """() => {
            const status = document.getElementById("status"), go = document.getElementById("go");
            const said = (window.said = []);
            new MutationObserver(() => said.push([status.textContent, go.disabled]))
                .observe(status, { childList: true, characterData: true, subtree: true });
        }"""
    )


def what_was_said(page: Page) -> list[tuple[str, bool]]:
    """All that the page has said, and whether one could ask meanwhile."""
    return [(words, not disabled) for words, disabled in page.evaluate("said")]


def violations(page: Page, axe: str) -> list[str]:
    """What the accessibility checker finds on a page; `axe` is its script."""
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(r => r.violations)")
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]


def picture(page: Page, name: str, *, of: str | None = None) -> None:
    """Make a screenshot for the documentation, where QUORUM_SCREENSHOTS names a folder."""
    if SCREENSHOTS:
        path = str(Path(SCREENSHOTS) / f"{name}.png")
        if of:
            page.locator(of).first.screenshot(path=path)
        else:
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(1_000)  # a chart is drawn after its answer
            page.screenshot(path=path)


def _bad(message: ConsoleMessage) -> list[str]:
    return [message.text] if message.type in {"error", "warning"} else []
