"""The cluster with real pods, found or brought up once for all tests, and the reference runs."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from devcluster.real import installation, lifecycle, machine
from devcluster.real.images import Images

from tests.controlplane.runs import ClusterRun, reference_run, small_manifest, upload_demo
from tests.nodes import site as sites
from tests.sharing import shared_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.nodes.site import Site

LAST = "test_nothing_is_left"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that takes the cluster down comes after those that use it."""
    items.sort(key=lambda item: LAST in item.nodeid)


@pytest.fixture(scope="session")
def found_up() -> bool:
    """Whether the cluster was up before any test."""
    return lifecycle.is_up()


@pytest.fixture(scope="session")
def site(tiny_demo: None, found_up: bool) -> Iterator[Site]:
    """The cluster that is up, or one that is brought up and taken down again."""
    if not sites.names_own_cluster():
        if missing := sites.missing_variables():
            pytest.skip(f"a cluster of your own also needs {'; '.join(missing)}")
        existing = sites.existing_site()
        used = Images(existing.operator_image, existing.worker_image, "")
        installation.install(existing.cluster, used)
        upload_demo(existing.server)
        yield existing
        return
    if why := machine.obstacle():
        pytest.skip(why)
    lifecycle.up(presets=("tiny",))  # no test looks at the other example
    if not lifecycle.is_current():
        lifecycle.reload()
    yield sites.own_site()
    if not found_up:
        lifecycle.down()


@pytest.fixture(scope="session")
def own_site(site: Site) -> Site:
    """The same, for tests that break what only this machine's cluster lets them break."""
    if not site.own:
        pytest.skip(f"breaks servers and nodes, which only `make cluster` has; {sites.KUBECONFIG}")
    return site


@pytest.fixture(scope="session")
def reference(
    site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], dict[str, bytes]]:
    """What `cycleqd run` of the manifest with so many generations stores; run once for each."""
    folder = shared_folder(tmp_path_factory)
    return lambda generations: reference_run(
        site.server, generations, folder / "reference" / str(generations)
    )


@pytest.fixture
def test_namespace(site: Site) -> Iterator[str]:
    """A fresh namespace under the strictest Pod Security; deleted after the test."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    site.cluster.make_namespace(name, installation.RESTRICTED)
    yield name
    if not os.environ.get("CYCLEQD_TEST_KEEP"):
        site.cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def pod_run(site: Site, test_namespace: str) -> Callable[..., ClusterRun]:
    """Applies a run of so many generations in the test's namespace."""

    def apply(generations: int, **spec: Any) -> ClusterRun:
        prefix = f"runs/{test_namespace}"
        document = small_manifest(site.server, prefix, generations, **spec)
        run = ClusterRun(site.cluster, test_namespace, site.server, document)
        run.apply()
        return run

    return apply
