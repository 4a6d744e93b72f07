"""What browsers run is what the script brings, with its licence; the operator's image has none."""

from __future__ import annotations

import hashlib

from scripts.image_requirements import requirements

from cycleqd.ui.pages import static_files
from tests.project.repository import ROOT, load_script

STATIC = ROOT / "runtime" / "cycleqd" / "ui" / "static"


def test_htmx_is_the_pinned_file() -> None:
    script = load_script("vendor-htmx")
    assert hashlib.sha256(static_files()["htmx.min.js"]).hexdigest() == script.SHA256
    assert f'version:"{script.VERSION}"' in static_files()["htmx.min.js"].decode()


def test_its_licence_travels_with_it() -> None:
    assert (STATIC / "htmx.LICENSE.txt").read_text("utf-8").startswith("Zero-Clause BSD")


def test_the_worker_image_serves_pages_and_the_operator_s_does_not() -> None:
    names = {
        extra: {
            line.split(">")[0].split("[")[0]
            for line in requirements(ROOT / "pyproject.toml", [extra])
        }
        for extra in ("operator", "pod")
    }
    assert {"starlette", "uvicorn"} <= names["pod"]
    assert {"starlette", "uvicorn", "jinja2"}.isdisjoint(names["operator"])
