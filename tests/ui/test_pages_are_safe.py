"""Pages load nothing from elsewhere, show foreign text as text, and only read what is theirs."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from cycleqd.errors import StoreError
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, Failure, ResultDocument
from cycleqd.run.revision import Revision
from cycleqd.store import MemoryStore, PrefixedStore, open_store
from cycleqd.ui.app import make_app
from cycleqd.ui.frozen import FrozenStore
from cycleqd.ui.pages import element
from cycleqd.ui.serving import hosts_of
from cycleqd.ui.watching import Watch
from tests.run.synthetic import SyntheticWorkbench, begin, do_everything, manifest

PAGES = (
    "/",
    "/runs/done",
    "/runs/half",
    "/runs/fresh",
    "/runs/team:grown",
    "/runs/team:grown/archives/sql?x=2&y=0",
    "/runs/done/archives/sql",
    "/runs/done/members/c000003",
    "/runs/done/members/expert-sql",
    "/compare?run=done&run=half",
    "/runs/nobody",
)
HOSTILE = "<script>alert(1)</script> {{ 7 * 7 }} \"'><img src=x onerror=alert(2)>"


class Parsed(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("address", PAGES)
def test_pages_need_nothing_but_this_server(page: TestClient, address: str) -> None:
    answer = page.get(address)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    for tag, attributes in Parsed(answer.text).tags:
        assert "style" not in attributes, "the policy forbids it"
        assert not any(name.startswith(("on", "hx-on")) for name in attributes)
        assert tag not in ("iframe", "object", "embed", "base", "style")
        for name in ("href", "src", "action", "hx-get"):
            value = attributes.get(name, "/")
            assert re.match(r"/(?!/)|#", value), (tag, name, value)


@pytest.mark.parametrize(
    "address", [*PAGES, "/api/runs", "/api/runs/done", "/healthz", "/static/ui.js", "/nowhere"]
)
def test_every_answer_has_the_headers(page: TestClient, address: str) -> None:
    headers = page.get(address).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_reading_is_answered(page: TestClient, method: str) -> None:
    for address in ("/", "/runs/done", "/api/runs", "/api/runs/done", "/healthz"):
        assert page.request(method, address).status_code == 405
    assert page.head("/runs/done").status_code == 200


def test_nothing_can_be_written(tmp_path: Path) -> None:
    store = MemoryStore()
    frozen = FrozenStore(store)
    calls = (
        lambda: frozen.create("a", b""),
        lambda: frozen.create_file("a", tmp_path),
        lambda: frozen.delete("a"),
        frozen.probe,
    )
    for call in calls:
        with pytest.raises(StoreError, match="reading only"):
            call()
    assert list(store.list()) == []


class Insolent(SyntheticWorkbench):
    """Children fail with a message that looks like markup."""

    def evaluate(self, entry: EvaluateEntry, revision: Revision) -> ResultDocument:
        result = super().evaluate(entry, revision)
        if not entry.candidate.startswith("c"):
            return result
        failure = Failure(cause=HOSTILE, message=HOSTILE)
        return result.model_copy(update={"failure": failure, "scores": {}, "outcomes": {}})


def test_foreign_text_is_shown_as_text() -> None:
    store = MemoryStore()
    run = begin(PrefixedStore(store, "evil"), manifest(generations=1, maxFailedCandidates=1000))
    do_everything(run, bench=Insolent(run))  # type: ignore[arg-type]
    watch = Watch(store)
    answer = TestClient(make_app(watch)).get("/runs/evil/members/c000000")
    watch.close()
    shown = Parsed(answer.text)
    assert f"{HOSTILE}: {HOSTILE}" in shown.text
    assert {tag for tag, _ in shown.tags}.isdisjoint({"img"})
    assert all("src" in attributes for tag, attributes in shown.tags if tag == "script")


@given(st.text(max_size=20), st.text(max_size=20))
def test_ids_of_elements_are_selectors_and_differ(one: str, other: str) -> None:
    assert re.fullmatch("[A-Za-z0-9_-]*", element(one))
    assert (element(one) == element(other)) == (one == other)


def test_a_broken_run_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    begin(PrefixedStore(store, "good"), manifest())
    store.create(f"bad/{keys.RUN}", b"no JSON <script>")
    store.create(f"odd/{keys.RUN}", b'{"format": "cycleqd-run/99"}')
    watch = Watch(store)
    client = TestClient(make_app(watch), raise_server_exceptions=False)
    found = client.get("/api/runs").json()
    assert [run["id"] for run in found["runs"]] == ["good"]
    assert {problem["id"] for problem in found["problems"]} == {"bad", "odd"}
    assert client.get("/").status_code == 200
    assert client.get("/runs/bad").status_code == 503
    assert client.get("/api/runs/bad").status_code == 503
    watch.close()


@pytest.mark.parametrize(
    "path",
    [
        "/runs/..%2fsecret",
        "/runs/../../secret/api",
        "/runs/done/members/..%2f..%2frun.json",
        "/runs/done/members/%2e%2e",
        "/runs/done/archives/..%2fsql",
        "/runs/done/report/..%2f..%2fsecret.html",
        "/runs/done/report/%2e%2e/secret.html",
        "/runs/done/report/report.json",
        "/static/..%2f__init__.py",
        "/static/%2e%2e/%2e%2e/app.py",
        "/api/runs/..%2f..%2fetc",
    ],
)
def test_no_address_leaves_the_prefix(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.html").write_text("SECRET")
    inner = open_store(str(tmp_path / "prefix"))
    begin(PrefixedStore(inner, "done"), manifest())
    watch = Watch(inner)
    answer = TestClient(make_app(watch), raise_server_exceptions=False).get(path)
    watch.close()
    assert answer.status_code == 404, path
    assert "SECRET" not in answer.text


def test_secrets_of_the_environment_stay_there(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheimnis-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "geheimnis-2")
    for address in (*PAGES, "/api/runs", "/api/runs/done"):
        assert "geheimnis" not in page.get(address).text


def test_a_page_of_this_machine_answers_to_its_own_names_only(prefix: MemoryStore) -> None:
    watch = Watch(prefix)
    app = make_app(watch, hosts_of("127.0.0.1"))
    for host, status in (("127.0.0.1:8321", 200), ("localhost:8321", 200), ("evil.test", 400)):
        assert TestClient(app).get("/api/runs", headers={"host": host}).status_code == status
    watch.close()
    assert hosts_of("0.0.0.0") == ("*",)


def test_a_stored_report_is_shown_in_a_sandbox() -> None:
    store = MemoryStore()
    run = begin(PrefixedStore(store, "told"), manifest())
    run.objects.create(keys.report(3, "report.html"), b"<p>old</p>")
    run.objects.create(keys.report(12, "report.html"), b"<script>1</script>")
    watch = Watch(store)
    client = TestClient(make_app(watch))
    linked = re.search(r'id="report" href="([^"]+)"', client.get("/runs/told").text)
    assert linked is not None
    answer = client.get(linked[1])
    watch.close()
    assert answer.text == "<script>1</script>"
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "script-src" not in policy
