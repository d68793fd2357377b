"""
A real Chromium opens the pages, as people do: mouse, keyboard, phone, dark, without JavaScript.
"""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
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
from tests.lab import LAB_MARKS, Keepalive, LabError, Pair, pair
from tests.web.test_passwords import ALICE, hashed, write

pytestmark = LAB_MARKS

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
PAGES = ["/", "/connections", "/connections?all=1", "/connections?limit=x"]
SIZES = {"desktop": {"width": 1100, "height": 800}, "phone": {"width": 390, "height": 800}}


@dataclass
class Window:
    """
    A browser's window, and what it complained of.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("requestfailed", self._note_failure)
        self.page.add_init_script(WATCH_POLICY)

    def _note_failure(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page itself wants another answer by now
            self.complaints.append(f"{request.url}: {request.failure}")

    def violations(self) -> list[str]:
        """
        What the Content-Security-Policy has forbidden.
        """
        found: list[str] = self.page.evaluate("window.violations")
        return found

    def field(self, name: str) -> Locator:
        """
        What is filled in under this name.
        """
        return self.page.locator(f"[name={name}]")

    def after(self, milliseconds: int) -> int:
        """
        How many connections are shown so much later by the page's own clock, which stands still.
        """
        self.page.clock.run_for(milliseconds)
        return len(self.column(1))

    def column(self, number: int) -> list[str]:
        """
        The text of a column of the table, from 1.
        """
        cells = self.page.locator(f".connections tbody tr > :nth-child({number})")
        return [text.strip() for text in cells.all_inner_texts()]


@dataclass(frozen=True)
class Stage:
    """
    A lab whose client has an exporter, and a browser there.
    """

    lab: Pair
    exporter: ExporterProcess
    browser: Browser

    def url(self, path: str) -> str:
        """
        Where the exporter serves a page.
        """
        return f"http://{self.exporter.addresses[0]}{path}"

    @contextmanager
    def window(self, path: str, **options: Any) -> Iterator[Window]:
        """
        A window of a new profile that shows a page, until the block is left.
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
    Debian's Chromium, in the network namespace of a lab's client.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        raise LabError("this test needs Debian's package chromium")
    wrapper = directory / "chromium"
    command = shlex.join(["ip", "netns", "exec", lab.client.name, chromium])
    wrapper.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    wrapper.chmod(0o755)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=wrapper, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """
    Connections at risk and safe ones, one of them by a process with a hostile name.
    """
    directory = tmp_path_factory.mktemp("browser")
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
        yield Stage(lab, exporter, stack.enter_context(browser_inside(lab, directory)))


@pytest.fixture
def connections(stage: Stage) -> Iterator[Window]:
    """
    The page of connections, which must not have complained in the end.
    """
    with stage.window("/connections") as window:
        yield window
        assert window.complaints == []
        assert window.violations() == []


def eventually(condition: Callable[[], bool], window: Window) -> None:
    """
    Return when the condition holds.
    """
    for _ in range(WAIT_MS // 100):
        if condition():
            return
        window.page.wait_for_timeout(100)
    raise AssertionError(window.page.content())


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_accessible(stage: Stage, path: str, size: str, scheme: str, tmp_path: Path) -> None:
    """
    axe-core finds nothing wrong with contrast, names and structure; nothing overflows; no page asks
    for what the policy forbids.
    """
    with stage.window(path, color_scheme=scheme, viewport=SIZES[size]) as window:
        window.page.screenshot(path=tmp_path / "page.png", full_page=True)
        results = Axe().run(window.page)
        assert results.violations_count == 0, results.generate_report()
        wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert window.page.evaluate(wider) is False
        assert window.violations() == []
        refused = [] if "limit=x" not in path else window.complaints[:1]
        assert window.complaints == refused


def test_axe_finds_something(stage: Stage) -> None:
    """
    The check above could fail.
    """
    with stage.window("/") as window:
        window.page.evaluate("document.querySelector('h1').style.color = '#eee'")
        assert Axe().run(window.page).violations_count == 1


def test_worst_first(connections: Window) -> None:
    """
    At first there are those at risk, and the safe ones on request.
    """
    eventually(lambda: len(connections.column(1)) == 7, connections)
    assert {text.partition("\n")[0] for text in connections.column(1)} == {"at risk"}
    connections.field("all").check()
    eventually(lambda: len(connections.column(1)) >= 9, connections)
    risks = [text.partition("\n")[0] for text in connections.column(1)]
    assert risks[:7] == ["at risk"] * 7
    assert "safe" in risks[7:]
    assert "all=1" in connections.page.url


def test_filter(connections: Window) -> None:
    """
    Filters show their effect while they are typed, without another page.
    """
    page = connections.page
    page.evaluate("window.same = true")
    eventually(lambda: len(connections.column(1)) == 7, connections)
    connections.field("remote").fill("10.0.0.0/8")
    expect(page.get_by_text("None is asked for that is here.")).to_be_visible()
    connections.field("remote").fill("public")
    eventually(lambda: len(connections.column(1)) == 7, connections)
    connections.field("workload").fill("no such workload")
    expect(page.get_by_text("None is asked for that is here.")).to_be_visible()
    connections.field("workload").fill("")
    connections.field("path").select_option("azure-inbound")
    expect(page.get_by_text("None is asked for that is here.")).to_be_visible()
    connections.field("path").select_option("azure-outbound")
    eventually(lambda: len(connections.column(1)) == 7, connections)
    assert page.evaluate("window.same") is True
    assert "path=azure-outbound" in page.url


def test_wrong_filter(stage: Stage) -> None:
    """
    While a filter makes no sense, the page says so, and goes on when it does.
    """
    with stage.window("/connections") as window:
        window.field("remote").fill("203.0.113.")
        expect(window.page.get_by_text("does not appear to be an IPv4")).to_be_visible()
        window.field("remote").fill("203.0.113.0/24")
        eventually(lambda: len(window.column(1)) == 7, window)
        assert window.violations() == []


def test_sort(connections: Window) -> None:
    """
    A heading sorts, and shows that it does; so does the list beside the filters.
    """
    page = connections.page
    connections.field("all").check()
    page.get_by_role("link", name="idle", exact=True).click()
    expect(page.locator("#sort-idle")).to_have_attribute("aria-current", "true")

    def idle() -> list[float]:
        seconds = []
        for text in connections.column(4):
            minutes, rest = re.fullmatch(r"(?:(\d+)m)?([\d.]+)?s?.*", text.split()[0]).groups()  # type: ignore[union-attr]
            seconds.append(60 * float(minutes or 0) + float(rest or 0))
        return seconds

    times = idle()
    assert times == sorted(times, reverse=True)
    expect(connections.field("sort")).to_have_value("idle")
    connections.field("sort").select_option("remote")
    expect(page.locator("#sort-remote")).to_have_attribute("aria-current", "true")


def test_refresh(stage: Stage, connections: Window) -> None:
    """
    The page looks again by itself, keeps the focus where it is, and stops when told to.
    """
    page = connections.page
    page.clock.install()
    page.reload()
    page.evaluate("window.same = true")
    page.locator("#sort-idle").focus()
    (more,) = stage.lab.connections(1)
    eventually(lambda: connections.after(INTERVAL_MS) == 8, connections)
    assert page.evaluate("document.activeElement.id") == "sort-idle"
    more.close()
    eventually(lambda: connections.after(INTERVAL_MS) == 7, connections)
    assert page.evaluate("window.same") is True

    page.get_by_label("refresh").uncheck()
    page.evaluate("document.querySelector('time').dataset.old = 'yes'")
    connections.after(10 * INTERVAL_MS)
    assert page.locator("time[data-old]").count() == 1
    page.get_by_label("refresh").check()
    connections.after(INTERVAL_MS)
    expect(page.locator("time[data-old]")).to_have_count(0)


def test_keyboard(connections: Window) -> None:
    """
    Everything can be reached and used with the keyboard, in the order in which it stands there.
    """
    page = connections.page
    reached = []
    for _ in range(13):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.id || document.activeElement.name || '-'")
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", reached
    assert reached[1:7] == ["workload", "remote", "path", "sort", "all", "-"]
    assert reached[8:13] == [
        f"sort-{key}" for key in ("risk", "remote", "path", "workload", "idle")
    ]
    page.keyboard.press("Enter")
    expect(page.locator("#sort-idle")).to_have_attribute("aria-current", "true")


def test_hostile_name(connections: Window) -> None:
    """
    Markup in a process's name is shown as what it is, and does nothing.
    """
    page = connections.page
    expect(page.get_by_text(HOSTILE)).to_be_visible()
    assert page.evaluate("typeof evil") == "undefined"
    assert page.locator("#live script").count() == 0


def test_without_javascript(stage: Stage) -> None:
    """
    Without JavaScript the page works with its button and links, and is reloaded by the browser.
    """
    with stage.window("/connections", java_script_enabled=False) as window:
        page = window.page
        assert page.locator("noscript meta").count() == 1 or "http-equiv" in page.content()
        expect(page.get_by_label("refresh")).to_be_hidden()
        window.field("all").check()
        window.field("remote").fill("203.0.113.10")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**all=1*")
        assert page.locator(".connections tbody tr").count() >= 9
        page.get_by_role("link", name="remote", exact=True).click()
        page.wait_for_url("**sort=remote*")
        assert window.complaints == []


def test_with_password(stage: Stage, tmp_path: Path) -> None:
    """
    Behind a password the page refreshes as well, and shows when it can no longer.
    """
    web = tmp_path / "web.yml"
    write(web, alice=hashed(ALICE.password))
    flags = (
        f"--web.config.file={web}",
        "--web.enable-connections",
        f"--web.listen-address={stage.lab.client.address}:0",
    )
    credentials = {"username": ALICE.name, "password": ALICE.password}
    with exporter_process(*flags, start=stage.lab.client.start) as exporter:
        other = Stage(stage.lab, exporter, stage.browser)
        with other.window("/connections?all=1", http_credentials=credentials) as window:
            window.page.clock.install()
            window.page.reload()
            window.page.evaluate("document.querySelector('time').dataset.old = 'yes'")
            window.after(INTERVAL_MS)
            expect(window.page.locator("time[data-old]")).to_have_count(0)
            assert window.complaints == []
            exporter.end()
            window.after(INTERVAL_MS)
            expect(window.page.locator("#trouble")).to_contain_text("Not refreshed")
