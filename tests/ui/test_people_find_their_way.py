"""Journeys of people through the live page: a real headless Chromium, the real command."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from devcluster.base import debian

from cycleqd.run.store import RunStore
from cycleqd.store import PrefixedStore, open_store
from tests.ui.ingress import Ingress, passing
from tests.ui.prefix import advance, folder

pytestmark = pytest.mark.browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EVERY_PAGE = (
    "/",
    "/runs/done",
    "/runs/team:grown",
    "/runs/team:grown/archives/sql",
    "/runs/done/members/c000012",
    "/compare?run=done&run=half&run=team:grown",
    "/runs/nobody",
)


@dataclass
class Site:
    """A served prefix and a browser."""

    url: str
    store: Path
    browser: Any
    noise: list[str] = field(default_factory=list)

    def open(self, address: str, **context: Any) -> Any:
        page = self.browser.new_page(**context)
        page.set_default_timeout(60_000)
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.noise.append(str(error)))
        page.goto(self.url + address)
        return page

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.noise.append(text)


def found() -> str | None:
    """The browser on this machine."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def serving(store: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "cycleqd.cli", "ui", str(store), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("http://127.0.0.1:"), line
    return process, line.split()[0].rstrip("/")


def ended(process: subprocess.Popen[str]) -> int:
    process.terminate()
    code = process.wait(20)
    assert process.stderr is not None
    process.stderr.close()
    return code


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    program = found()
    if program is None and debian.can_install():
        debian.install(["chromium"])
        program = found()
    if program is None:
        pytest.skip("no Chromium on PATH")
    api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    store = tmp_path_factory.mktemp("prefix")
    folder(store)
    process, url = serving(store)
    with api.sync_playwright() as playwright:
        # Root in a container has no sandbox of Chromium; the pages are our own.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield Site(url, store, browser)
        browser.close()
    assert ended(process) in (0, -15)


@pytest.fixture(autouse=True)
def quiet(site: Site) -> Iterator[None]:
    site.noise.clear()
    yield
    for context in site.browser.contexts:
        context.close()


def test_from_the_list_to_an_ancestor(site: Site) -> None:
    page = site.open("/")
    page.click("#run-done")
    page.click("#archive-sql")
    page.click(".heatmap a >> nth=5")
    page.wait_for_url("**/members/*")
    candidate = page.inner_text("h1")
    assert f"--member {candidate} " in page.inner_text("#command")
    page.click("[id^=ancestor-] >> nth=0")
    page.locator("h1", has_not_text=candidate).wait_for()
    page.click("text=CycleQD runs")
    page.locator("h1", has_text="Runs").wait_for()
    assert site.noise == []


def test_by_keyboard_alone(site: Site) -> None:
    # Where motion is welcome, the focus grows for a tenth of a second before it shows.
    page = site.open("/runs/done/archives/sql", reduced_motion="reduce")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.locator("#main:focus").wait_for()
    while not page.evaluate("document.activeElement.id").startswith("cell-"):
        page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.id")
    outline = "getComputedStyle(document.activeElement.querySelector('rect')).strokeWidth"
    assert page.evaluate(outline) != page.evaluate(
        "getComputedStyle(document.querySelector('.heatmap a:last-of-type rect')).strokeWidth"
    ), "the focus shows"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert page.evaluate("document.activeElement.id") != first
    assert page.inner_text("#cell") == label
    page.keyboard.press("Enter")
    page.wait_for_url("**/members/*")
    assert label.startswith(f"{page.inner_text('h1')}: ")


def test_other_axes(site: Site) -> None:
    page = site.open("/runs/team:grown/archives/sql")
    before = page.inner_html(".heatmap")
    page.select_option("select[name=x]", label="regex")
    page.wait_for_url("**x=2*")
    assert "regex score" in page.inner_html(".heatmap")
    assert page.inner_html(".heatmap") != before
    assert page.input_value("select[name=x]") == "2"


def test_ticked_runs_are_compared(site: Site) -> None:
    page = site.open("/")
    page.check("#pick-done")
    page.check("#pick-team_3a_grown")
    page.click("text=Compare the ticked runs")
    # What takes long to read comes by an update.
    page.locator("svg.plot[role=img] >> nth=1").wait_for()
    assert page.locator("thead th").all_inner_texts() == ["What", "team:grown", "done"]
    assert page.locator("svg.plot[role=img]").count() == 2


def test_a_page_goes_with_its_run(site: Site) -> None:
    page = site.open("/runs/half")
    listed = site.open("/")
    listed.check("#pick-half")
    listed.focus("#run-half")
    for one in (page, listed):
        one.evaluate("window.sameDocument = true")
    run = RunStore(PrefixedStore(open_store(str(site.store)), "half"))
    before = run.committed()
    advance(run, 1)
    assert run.committed() > before
    for one in (page, listed):
        one.locator("#live", has_text=f"{run.committed()} / 12").wait_for()
        assert one.evaluate("window.sameDocument"), "nothing was loaded anew"
    assert listed.is_checked("#pick-half"), "a tick stays"
    assert listed.evaluate("document.activeElement.id") == "run-half", "the focus stays"
    assert site.noise == []


def test_a_command_is_copied(site: Site) -> None:
    page = site.open("/runs/done")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    # It says so for two seconds, which a busy machine may let pass.
    page.evaluate(
        """window.said = new Promise(tell => {
            const button = document.querySelector('.models button');
            new MutationObserver(() => tell(button.textContent)).observe(button, {childList: true});
        }); undefined"""
    )
    page.click(".models button >> nth=0")
    assert page.evaluate("window.said") == "copied"
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.inner_text("#command-published")
    assert copied.startswith(f"cycleqd export {site.store}/done --member ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_no_page_sideways(site: Site, scheme: str) -> None:
    page = site.open("/", viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for address in EVERY_PAGE:
        page.goto(site.url + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, address


def test_dark_is_dark_and_both_can_be_read(site: Site) -> None:
    luminance = """() => [document.body, document.querySelector('.muted, small')].map(one => {
        const style = getComputedStyle(one);
        return [style.color, style.backgroundColor].map(colour => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(v => v / 255)
                .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        });
    })"""
    grounds = {}
    for scheme in ("light", "dark"):
        page = site.open("/", color_scheme=scheme)
        (ink, ground), (muted, _) = page.evaluate(luminance)
        grounds[scheme] = ground
        for text in (ink, muted):
            low, high = sorted((text, ground))
            assert (high + 0.05) / (low + 0.05) > 4.5, scheme
    assert grounds["dark"] < 0.1 < grounds["light"]


def test_no_page_breaks_its_own_policy(site: Site) -> None:
    for address in EVERY_PAGE[:-1]:
        page = site.open(address)
        assert page.evaluate("window.htmx !== undefined"), address
    assert site.noise == []


def test_pages_work_without_scripts(site: Site) -> None:
    page = site.open("/", java_script_enabled=False)
    page.click("#run-team_3a_grown")
    page.click("#archive-sql")
    page.select_option("select[name=y]", label="regex")
    page.click("text=Show")
    page.wait_for_url("**y=2*")
    page.click(".heatmap a >> nth=0")
    page.wait_for_url("**/members/*")


def test_a_server_that_is_gone_is_told(site: Site) -> None:
    page = site.open("/")
    page.locator(".runs tbody tr >> nth=3").wait_for()
    page.context.set_offline(True)
    page.wait_for_selector("#connection:not([hidden])")
    assert "shows what was known last" in page.inner_text("#connection")
    assert page.locator(".runs tbody tr").count() == 4
    page.context.set_offline(False)
    page.wait_for_selector("#connection", state="hidden")


@pytest.mark.parametrize("strips", [True, False], ids=["strips", "leaves"])
def test_below_a_path_of_an_ingress(site: Site, strips: bool) -> None:
    process, url = serving(site.store, "--root-path", "/cycleqd/")
    assert url.endswith("/cycleqd")
    port = int(url.removesuffix("/cycleqd").rpartition(":")[2])
    try:
        with passing(Ingress(port, "/cycleqd", strips)) as ingress:
            below = Site(f"http://127.0.0.1:{ingress.port}/cycleqd", site.store, site.browser)
            page = below.open("")
            page.check("#pick-done")
            page.check("#pick-half")
            page.click("text=Compare the ticked runs")
            page.click("#run-half")
            # The page that is left asks for news as well.
            news = re.compile(f"{re.escape(below.url)}/runs/half/archives/sql[?].*seen=")
            with page.expect_response(news) as asked:
                page.click("#archive-sql")
            assert asked.value.status == 204
            page.click(".heatmap a >> nth=0")
            page.wait_for_url(f"{below.url}/runs/half/members/*")
            assert below.noise == []
            page.close()
    finally:
        code = ended(process)
    assert code in (0, -15)
