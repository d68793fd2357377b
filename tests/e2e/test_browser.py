"""
The connections page in a real Chromium: mouse, keyboard, and without JavaScript.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import (
    HOSTILE,
    INTERVAL_MS,
    ExporterWithBrowser,
    Window,
    eventually,
    exporter_with_browser,
)
from tests.exporter_process import exporter_process
from tests.lab import LAB_MARKS
from tests.web.test_passwords import ALICE, hashed, write

pytestmark = LAB_MARKS


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterWithBrowser]:
    """
    An exporter with a browser.
    """
    with exporter_with_browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def connections(running: ExporterWithBrowser) -> Iterator[Window]:
    """
    The connections page. It must not report errors or policy violations.
    """
    with running.window("/connections") as window:
        yield window
        assert window.errors == []
        assert window.violations() == []


def test_worst_first(connections: Window) -> None:
    """
    Connections at risk are shown by default, and safe ones on request.
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
    Filters apply while they are typed, without a page load.
    """
    page = connections.page
    page.evaluate("window.same = true")
    eventually(lambda: len(connections.column(1)) == 7, connections)
    connections.field("remote").fill("10.0.0.0/8")
    expect(page.locator(".connections tbody tr")).to_have_count(0)
    connections.field("remote").fill("public")
    eventually(lambda: len(connections.column(1)) == 7, connections)
    connections.field("workload").fill("no such workload")
    expect(page.locator(".connections tbody tr")).to_have_count(0)
    connections.field("workload").fill("")
    connections.field("path").select_option("azure-inbound")
    expect(page.locator(".connections tbody tr")).to_have_count(0)
    connections.field("path").select_option("azure-outbound")
    eventually(lambda: len(connections.column(1)) == 7, connections)
    assert page.evaluate("window.same") is True
    assert "path=azure-outbound" in page.url


def test_wrong_filter(running: ExporterWithBrowser) -> None:
    """
    An invalid filter is reported, and the page continues once the filter is valid.
    """
    with running.window("/connections") as window:
        window.field("remote").fill("203.0.113.")
        expect(window.page.get_by_text("does not appear to be an IPv4")).to_be_visible()
        window.field("remote").fill("203.0.113.0/24")
        eventually(lambda: len(window.column(1)) == 7, window)
        assert window.violations() == []


def test_sort(connections: Window) -> None:
    """
    Column headings and the sort list sort the table, and show the current order.
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


def test_refresh(running: ExporterWithBrowser, connections: Window) -> None:
    """
    The page refreshes itself, keeps the focus, and stops if refresh is disabled.
    """
    page = connections.page
    page.clock.install()
    page.reload()
    page.evaluate("window.same = true")
    page.locator("#sort-idle").focus()
    (more,) = running.lab.connections(1)
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
    All controls can be reached and used with the keyboard, in the order of the page.
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
    Markup in a process name is shown as text and not executed.
    """
    page = connections.page
    expect(page.get_by_text(HOSTILE)).to_be_visible()
    assert page.evaluate("typeof evil") == "undefined"
    assert page.locator("#live script").count() == 0


def test_without_javascript(running: ExporterWithBrowser) -> None:
    """
    Without JavaScript, the page works with its button and links, and the browser reloads it.
    """
    with running.window("/connections", java_script_enabled=False) as window:
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
        assert window.errors == []


def test_with_password(running: ExporterWithBrowser, tmp_path: Path) -> None:
    """
    The page also refreshes with basic auth, and reports when a refresh fails.
    """
    web = tmp_path / "web.yml"
    write(web, alice=hashed(ALICE.password))
    flags = (
        f"--web.config.file={web}",
        "--web.enable-connections",
        f"--web.listen-address={running.lab.client.address}:0",
    )
    credentials = {"username": ALICE.name, "password": ALICE.password}
    with exporter_process(*flags, start=running.lab.client.start) as exporter:
        other = ExporterWithBrowser(running.lab, exporter, running.browser)
        with other.window("/connections?all=1", http_credentials=credentials) as window:
            window.page.clock.install()
            window.page.reload()
            window.page.evaluate("document.querySelector('time').dataset.old = 'yes'")
            window.after(INTERVAL_MS)
            expect(window.page.locator("time[data-old]")).to_have_count(0)
            assert window.errors == []
            exporter.end()
            window.after(INTERVAL_MS)
            expect(window.page.locator("#trouble")).not_to_be_empty()
