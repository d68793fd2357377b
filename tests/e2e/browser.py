"""
Debian's Chromium in a host of the lab, with an exporter.
"""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.exporter_process import ExporterProcess, exporter_process
from tests.lab import Keepalive, LabError, Pair, pair

CONFIG = """
near_limit_ratio: 0.005  # 1.2 s of 4 minutes
sampling: {interval: 500ms, max_duty_cycle: 1}
"""
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
HOSTILE = "<script>evil=1"
HOSTILE_PROGRAM = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode())  # PR_SET_NAME
client = socket.create_connection((sys.argv[2], int(sys.argv[3])))
print("connected", flush=True)
sys.stdin.read()
"""
WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""
WAIT_MS = 20_000
INTERVAL_MS = 5_000
expect.set_options(timeout=WAIT_MS)


@dataclass
class Window:
    """
    A browser window, and the errors reported in it.
    """

    page: Page
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(dialog.message))
        self.page.on("requestfailed", self._note_failure)
        self.page.add_init_script(WATCH_POLICY)

    def _note_failure(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a newer request of the page replaced it
            self.errors.append(f"{request.url}: {request.failure}")

    def violations(self) -> list[str]:
        """
        Violations of the Content-Security-Policy.
        """
        found: list[str] = self.page.evaluate("window.violations")
        return found

    def field(self, name: str) -> Locator:
        """
        The form field with this name.
        """
        return self.page.locator(f"[name={name}]")

    def after(self, milliseconds: int) -> int:
        """
        Advance the page's installed clock; returns the number of connections then shown.
        """
        self.page.clock.run_for(milliseconds)
        return len(self.column(1))

    def column(self, number: int) -> list[str]:
        """
        The texts of a table column. Columns are counted from 1.
        """
        cells = self.page.locator(f".connections tbody tr > :nth-child({number})")
        return [text.strip() for text in cells.all_inner_texts()]


@dataclass(frozen=True)
class ExporterWithBrowser:
    """
    A lab with an exporter and a browser at the client.
    """

    lab: Pair
    exporter: ExporterProcess
    browser: Browser

    def url(self, path: str) -> str:
        """
        The URL of a page of the exporter.
        """
        return f"http://{self.exporter.addresses[0]}{path}"

    @contextmanager
    def window(self, path: str, **options: Any) -> Iterator[Window]:
        """
        A window with a new profile that shows a page, until the end of the block.
        """
        context: BrowserContext = self.browser.new_context(**options)
        try:
            window = Window(context.new_page())
            window.page.goto(self.url(path))
            yield window
        finally:
            context.close()


@contextmanager
def browser_inside(lab: Pair, directory: Path) -> Iterator[Browser]:
    """
    Start Debian's Chromium in the network namespace of the lab's client.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        raise LabError("needs Debian's package chromium")
    wrapper = directory / "chromium"
    command = shlex.join(["ip", "netns", "exec", lab.client.name, chromium])
    wrapper.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    wrapper.chmod(0o755)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=wrapper, args=ARGUMENTS) as browser,
    ):
        yield browser


@contextmanager
def exporter_with_browser(directory: Path) -> Iterator[ExporterWithBrowser]:
    """
    Start them, with connections at risk and safe ones. One belongs to a process with a hostile
    name.
    """
    config = directory / "exporter.yml"
    config.write_text(CONFIG)
    flags = (f"--config.file={config}", "--web.enable-connections")
    with ExitStack() as stack:
        lab = stack.enter_context(pair())
        lab.connections(3)
        lab.connections(2, keepalive=Keepalive(time=300))
        lab.connections(2, keepalive=Keepalive(time=1, interval=1))
        port = lab.connections(1)[0].client.getpeername()[1]
        hostile = lab.client.start(
            [sys.executable, "-c", HOSTILE_PROGRAM, HOSTILE, lab.server.address, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        stack.callback(hostile.kill)
        assert hostile.stdout is not None
        assert hostile.stdout.readline() == "connected\n"
        exporter = stack.enter_context(exporter_process(*flags, start=lab.client.start))
        yield ExporterWithBrowser(
            lab, exporter, stack.enter_context(browser_inside(lab, directory))
        )


def eventually(condition: Callable[[], bool], window: Window) -> None:
    """
    Wait until the condition is true.
    """
    for _ in range(WAIT_MS // 100):
        if condition():
            return
        window.page.wait_for_timeout(100)
    raise AssertionError(window.page.content())
