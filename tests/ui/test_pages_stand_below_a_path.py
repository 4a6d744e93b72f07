"""Below a path of an ingress every address of every page works, whether or not the path is taken
away before; what proxies say of themselves is not believed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from cycleqd.errors import InputError
from cycleqd.records import keys
from cycleqd.store import MemoryStore, PrefixedStore
from cycleqd.ui.app import make_app
from cycleqd.ui.root import root_of
from cycleqd.ui.security import name_of
from cycleqd.ui.serving import hosts_of, known_name
from cycleqd.ui.watching import Watch
from tests.ui.ingress import HOST, Ingress, answering, passing
from tests.ui.prefix import runs_of

ROOT = "/tools/cycleqd"
ADDRESS = re.compile(r'\b(?:href|src|action|hx-get)="([^"#]+)"')
MOST_ADDRESSES = 120


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    store = MemoryStore()
    runs_of(store)
    PrefixedStore(store, "done").create(keys.report(2, "report.html"), b"<p>told</p>")
    watch = Watch(store)
    with answering(make_app(watch, hosts_of("127.0.0.1", [HOST]), ROOT)) as port:
        yield port
    watch.close()


@pytest.fixture(scope="module", params=[True, False], ids=["strips", "leaves"])
def ingress(request: pytest.FixtureRequest, upstream: int) -> Iterator[Ingress]:
    with passing(Ingress(upstream, ROOT, request.param)) as running:
        yield running


def _get(port: int, address: str, **headers: str) -> tuple[HTTPResponse, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", address, headers={"Host": HOST, **headers})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def test_every_address_that_a_page_names_is_answered(ingress: Ingress) -> None:
    waiting, seen = [f"{ROOT}/"], set[str]()
    while waiting and len(seen) < MOST_ADDRESSES:
        address = waiting.pop(0)
        seen.add(address)
        answer, text = _get(ingress.port, address)
        assert answer.status == 200, address
        assert answer.getheader("location") is None
        if (answer.getheader("content-type") or "").startswith("text/html"):
            found = {one.replace("&amp;", "&") for one in ADDRESS.findall(text)}
            assert all(one.startswith(f"{ROOT}/") for one in found), (address, found)
            waiting += sorted(found - seen - set(waiting))
    for kind in ("/static/", "/runs/", "/archives/", "/members/", "/report/", "/compare"):
        assert any(kind in one for one in seen), kind


@pytest.mark.parametrize("address", ["", "/runs/done", "/api/runs", "/compare", "/healthz"])
def test_a_slash_at_the_end_is_no_other_page(ingress: Ingress, address: str) -> None:
    (without, one), (with_slash, other) = (
        _get(ingress.port, f"{ROOT}{address}{end}") for end in ("", "/")
    )
    assert without.status == with_slash.status == 200
    assert one == other


def test_a_part_is_asked_again_and_not_sent_twice(ingress: Ingress) -> None:
    _, page = _get(ingress.port, f"{ROOT}/runs/done")
    asked = re.search(r'hx-get="([^"]+)"', page)
    assert asked is not None
    answer, text = _get(ingress.port, asked[1], **{"HX-Request": "true"})
    assert (answer.status, text) == (204, "")


def test_what_is_not_there_leads_home(ingress: Ingress) -> None:
    answer, text = _get(ingress.port, f"{ROOT}/runs/nobody")
    assert answer.status == 404
    assert f'<a href="{ROOT}/">All runs</a>' in text
    assert _get(ingress.port, "/runs/done")[1].count("the ingress has no such path")


def test_no_answer_names_a_scheme_a_host_or_what_proxies_claim(upstream: int) -> None:
    claims = {
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Proto": "https",
        "X-Script-Name": "/evil",
        "Forwarded": "host=evil.test;proto=https",
    }
    for address in ("/", "/runs/done/", f"{ROOT}/runs/done", f"{ROOT}/nowhere/"):
        plain, text = _get(upstream, address)
        claimed, other = _get(upstream, address, **claims)
        assert text == other
        kept, kept_too = (
            [header for header in answer.getheaders() if header[0] != "date"]
            for answer in (plain, claimed)
        )
        assert kept_too == kept
        assert "evil" not in other
        assert not re.search(r'(?:href|src|action|hx-get)="(?:https?:)?//', other)


def test_a_probe_calls_a_pod_by_its_number_and_nobody_else_does(upstream: int) -> None:
    assert _get(upstream, "/healthz", Host="10.1.2.3:8321")[0].status == 200
    for address in ("/", "/api/runs", f"{ROOT}/runs/done", "/healthz/../api/runs"):
        answer, text = _get(upstream, address, Host="10.1.2.3:8321")
        assert answer.status == 400
        assert "--allow-host" in text
        assert answer.getheader("x-content-type-options") == "nosniff"


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("runs.example.org", True),
        ("RUNS.example.org:443", True),
        ("a.swarm.example.org", True),
        ("swarm.example.org", False),
        ("example.org", False),
        ("evil-runs.example.org", False),
        ("localhost:8321", True),
        ("[::1]:8321", True),
        ("[::2]:8321", False),
    ],
)
def test_names_of_the_ingress_are_answered(host: str, answered: bool) -> None:
    watch = Watch(MemoryStore())
    names = hosts_of("0.0.0.0", [known_name("runs.example.org"), known_name("*.Swarm.example.org")])
    answer = TestClient(make_app(watch, names)).get("/api/runs", headers={"host": host})
    watch.close()
    assert (answer.status_code == 200) == answered


def test_without_names_other_machines_are_left_to_the_ingress() -> None:
    assert hosts_of("0.0.0.0") == hosts_of("::") == ("*",)
    assert "[::1]" in hosts_of("::1")


@pytest.mark.parametrize("name", ["", "http://a.b", "a.b:80", "a.b/c", "*", "a.*", "-a", "a b"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"^--allow-host: .*; give it without"):
        known_name(name)


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("", ""),
        ("/", ""),
        ("/cycleqd", "/cycleqd"),
        ("/cycleqd/", "/cycleqd"),
        ("/a/b-1", "/a/b-1"),
    ],
)
def test_a_root_path_has_no_slash_at_its_end(given: str, root: str) -> None:
    assert root_of(given) == root


@pytest.mark.parametrize(
    "path",
    ["cycleqd", "//evil.test", "/a//b", "/../a", "/./a", "/a?b", "/a#b", '/a"b', "/a b", "/%2f"],
)
def test_a_root_path_that_is_none_is_refused_with_one_that_is(path: str) -> None:
    with pytest.raises(InputError, match=r"^--root-path: .*such as /cycleqd"):
        root_of(path)


def test_a_root_path_is_no_address_of_the_page() -> None:
    watch = Watch(MemoryStore())
    firsts = {getattr(route, "path", "").split("/")[1] for route in make_app(watch).routes} - {""}
    watch.close()
    assert len(firsts) == 5
    for first in firsts:
        with pytest.raises(InputError, match="address of the page itself"):
            root_of(f"/{first}/below")


@given(st.text("abz09-.:[]A", max_size=12), st.integers(1, 65535))
def test_a_port_changes_no_name(name: str, port: int) -> None:
    if re.fullmatch(r"[^:\[\]]+|\[[^\[\]]*\]", name):
        assert name_of(name) == name_of(f"{name}:{port}") == name.lower()
