"""First paint of the live page over 100 runs of 1,000 generations on a real S3 server.

    python -m benchmarks.live_page [--runs 100] [--generations 1000] [--rounds 3] [--data FOLDER]
                                   [--json FILE]

One life of `benchmarks.lifetime` (a run under way, without models) is uploaded to a versitygw on
loopback; the other runs are hard links to its objects on the server's disk, which the page cannot
know. Genomes are left out, since no list and no page of a run reads one. To live that life takes
minutes: with `--data` a folder keeps the objects, and the next command that names it begins with
the rounds. Each page is opened by a headless Chromium in a page process of its own: by the first
visitor of all (cold) and by the next one (warm), who has an empty browser cache too and comes when
every look has aged. Seconds to the first contentful paint and until everything is shown, and
requests to S3 until then, are medians over the rounds. Beside them, in the same rounds: the same
pages over a prefix with one such run, and what a page that lists objects would wait for. In
brackets the ratio to the prefix with one run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.lifetime import Life
from playwright.sync_api import sync_playwright
from tests.servers.s3 import S3Server, running

from cycleqd.store.access import environment_of
from cycleqd.store.s3 import S3Store
from cycleqd.ui.watching import FRESH_SECONDS

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
WAITS = "document.body.innerText.includes('still being read')"
WAIT_SECONDS = 180.0
POLL_SECONDS = 0.02
MANY, ONE = "runs", "alone"
"""Prefixes: of all runs, and of one that is equal to each of them."""

Figures = dict[str, float]


def filled(server: S3Server, scratch: Path, runs: int, generations: int) -> dict[str, int]:
    """Put the runs below both prefixes, unless they are there; how much that is.

    Raises:
        SystemExit: other runs are there.
    """
    asked = {"runs": runs, "generations": generations}
    mark = server.folder / "filled.json"
    if not mark.exists():
        known = asked | {"objects of a run": fill(server, scratch, runs, generations)}
        mark.write_text(json.dumps(known))
    known = json.loads(mark.read_text())
    if not known.items() >= asked.items():
        sys.exit(f"{server.folder} holds {known}: ask for these, or name another folder")
    return dict(known)


def fill(server: S3Server, scratch: Path, runs: int, generations: int) -> int:
    """Put the runs below both prefixes; the number of objects of one."""
    shutil.rmtree(server.folder / server.bucket / MANY, ignore_errors=True)
    shutil.rmtree(server.folder / server.bucket / ONE, ignore_errors=True)
    Life(str(scratch / "life"), 2 * generations).live_to(generations)
    files = [
        path
        for path in sorted((scratch / "life").rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(scratch).parts)
        and path.relative_to(scratch / "life").parts[0] != "candidates"
    ]
    store = S3Store(server.bucket, f"{ONE}/run-000", server.settings)
    with ThreadPoolExecutor(16) as pool:
        keys = (str(path.relative_to(scratch / "life")) for path in files)
        list(pool.map(lambda key: store.create(key, (scratch / "life" / key).read_bytes()), keys))
    first = server.folder / server.bucket / ONE / "run-000"
    below = server.folder / server.bucket / MANY
    below.mkdir()
    for number in range(runs):
        subprocess.run(["cp", "-al", first, below / f"run-{number:03d}"], check=True)
    return len(files)


@contextmanager
def page_process(server: S3Server, prefix: str) -> Iterator[tuple[str, int]]:
    """The real command over a prefix: its address and process id."""
    command = [sys.executable, "-m", "cycleqd.cli", "ui", server.uri(prefix), "--port", "0"]
    told = {**os.environ, **server.env, **environment_of(server.settings)}
    process = subprocess.Popen(command, env=told, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert line.startswith("http://"), line
        yield line.split()[0].rstrip("/"), process.pid
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()


def requests_to(server: S3Server) -> int:
    """How many requests the server has logged."""
    return len(re.findall(rb" (?:GET|HEAD|PUT|POST) ", server.process.log.read_bytes()))


def visit(server: S3Server, browser: Any, address: str, shown: str) -> Figures:  # noqa: ANN401
    """What a visitor waits for, until a script says that everything is shown."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(WAIT_SECONDS * 1000)
        asked, begun = requests_to(server), time.perf_counter()
        page.goto(address, wait_until="commit")
        painted = until(page, PAINT)
        until(page, shown)
        complete = time.perf_counter() - begun
    finally:
        context.close()
    return {
        "first paint": painted / 1000,
        "everything": complete,
        "requests": requests_to(server) - asked,
    }


def until(page: Any, script: str) -> float:  # noqa: ANN401 - playwright's types are optional
    """What a script says as soon as that is not nothing.

    Not by `wait_for_function`, which evaluates text within the page: its policy forbids that.

    Raises:
        TimeoutError: it says nothing for `WAIT_SECONDS`.
    """
    limit = time.monotonic() + WAIT_SECONDS
    while not (found := page.evaluate(script)):
        if time.monotonic() > limit:
            raise TimeoutError(f"{page.url}: not in {WAIT_SECONDS} s: {script}")
        time.sleep(POLL_SECONDS)
    return float(found)


def peers(server: S3Server) -> dict[str, Figures]:
    """What lists of names alone take."""
    found = {}
    for name, prefix, folders in (
        ("names of the runs", MANY, True),
        ("objects of one run", f"{ONE}/run-000", False),
    ):
        store = S3Store(server.bucket, prefix, server.settings)
        store.exists("run.json")  # connects
        asked, begun = requests_to(server), time.perf_counter()
        assert list(store.children("") if folders else store.list())
        seconds = time.perf_counter() - begun
        found[f"listing {name}"] = {"seconds": seconds, "requests": requests_to(server) - asked}
    return found


def resident_megabytes(pid: int) -> float:
    """Memory of a process at its peak."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def look(server: S3Server, browser: Any, runs: int) -> dict[str, Figures]:  # noqa: ANN401
    """One round."""
    found: dict[str, Figures] = {}
    for prefix, count in ((MANY, runs), (ONE, 1)):
        compared = "&".join(f"run=run-{number:03d}" for number in range(min(8, count)))
        pages = {
            "list": ("/", f"document.querySelectorAll('table.runs tbody tr').length == {count}"),
            "run": ("/runs/run-000", "document.querySelectorAll('svg.plot path').length > 0"),
            "comparison": (
                f"/compare?{compared}",
                "document.querySelectorAll('svg.plot path').length > 0",
            ),
        }
        for name, (path, shown) in pages.items():
            with page_process(server, prefix) as (url, pid):
                for visitor in ("cold", "warm"):
                    if visitor == "warm":
                        time.sleep(2 * FRESH_SECONDS)
                    figures = visit(server, browser, url + path, f"{shown} && !{WAITS}")
                    found[f"{name}, {prefix}, {visitor}"] = figures
                found[f"{name}, {prefix}, process"] = {"megabytes": resident_megabytes(pid)}
    return found | peers(server)


def measured(server: S3Server, runs: int, rounds: int) -> dict[str, Figures]:
    """Medians over the rounds."""
    program = next(path for name in BROWSERS if (path := shutil.which(name)))
    rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with sync_playwright() as playwright:
        # Root in a container has no sandbox of Chromium; the pages are our own.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        browser.new_page().goto("data:text/html,<p>warm")
        for _ in range(rounds):
            for what, figures in look(server, browser, runs).items():
                for name, value in figures.items():
                    rows[what][name].append(value)
        browser.close()
    return {
        what: {name: statistics.median(values) for name, values in figures.items()}
        for what, figures in rows.items()
    }


def told(found: dict[str, Figures]) -> str:
    """A table; in brackets the ratio to the prefix with one run."""
    lines = []
    for what, figures in found.items():
        peer = found.get(what.replace(f", {MANY},", f", {ONE},"), {})
        cells = [
            f"{name} {value:.4g}"
            + (f" ({value / (peer[name] or 1):.1f})" if f", {MANY}," in what else "")
            for name, value in figures.items()
        ]
        lines.append(f"  {what:<28}{', '.join(cells)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--generations", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="a folder that keeps the objects")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running("versitygw", Path(folder) / "server", options.data) as server,
    ):
        os.environ.update(server.env)
        document = {
            **filled(server, Path(folder), options.runs, options.generations),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
        }
        sys.stdout.write(", ".join(f"{name} {value}" for name, value in document.items()) + "\n")
        found = measured(server, options.runs, options.rounds)
    sys.stdout.write(told(found))
    if options.json is not None:
        options.json.write_text(json.dumps(document | {"figures": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
