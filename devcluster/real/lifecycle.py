"""Bringing the whole cluster up, looking at it, and taking it down without leaving anything.

What `up` makes it writes down in its home folder first, so that `down` removes all of it from any
other process, also after a crash half-way. An `up` that fails takes down what it made and keeps the
logs.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.base import examples
from devcluster.base.cluster import Cluster
from devcluster.base.commands import CommandError, say, step
from devcluster.base.control_plane import COMPONENTS, ControlPlane, ControlPlaneSettings
from devcluster.real import (
    cgroups,
    dns,
    image_store,
    images,
    installation,
    machine,
    network,
    nodes,
    records,
    storage,
)
from devcluster.real.layout import (
    API_PORT,
    HOST_ADDRESS,
    NODES,
    SERVICE_RANGE,
    home,
    kubeconfig,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devcluster.real.images import Images

PRESETS = ("tiny", "smollm2")
REVIVE_SECONDS = 60.0
LOGS = ("logs", "control-plane/logs", *(f"nodes/{node.name}/logs" for node in NODES))


def is_up() -> bool:
    """Whether a whole cluster runs here."""
    servers = records.names()
    return (home() / "up").exists() and all(records.read(name).pid for name in servers)


def is_current() -> bool:
    """Whether the running cluster's images are of this clone as it is."""
    current: bool = images.load(home() / "images.json") == images.wanted()
    return current


def cluster() -> Cluster:
    """The running cluster as its administrator sees it."""
    return Cluster(kubeconfig())


def up(presets: Sequence[str] = PRESETS) -> None:
    """Bring the cluster up, unless it is.

    Args:
        presets: the examples whose models and items it gets.

    Raises:
        CommandError: a step failed; everything has been taken down again.
    """
    _revive()
    if is_up():
        if not is_current():
            say("its images are not of this clone as it is: `python -m devcluster reload`")
        return
    machine.check()
    wanted = images.wanted()
    machine.build_tools()
    for preset in presets:
        with step(f"models and items of {preset} (once)", examples.USUAL_SECONDS[preset]) as making:
            examples.make(preset, making.tell)
    images.build(wanted)
    image_store.fill(wanted)
    if home().exists():
        say("taking down what an earlier cluster left")
        down()
    home().mkdir(parents=True)
    try:
        _start(wanted, presets)
    except BaseException as error:
        kept = _keep_logs()
        say(f"failed; taking it down again; logs are in {kept}")
        down()
        if isinstance(error, RuntimeError):
            raise CommandError(str(error)) from error
        raise


def _revive() -> None:
    """Start again what has ended of a cluster that was whole, rather than making all anew."""
    if not (home() / "up").exists() or not network.is_whole():
        return
    dead = [records.read(name) for name in records.names() if not records.read(name).pid]
    for record in dead:
        say(f"{record.name} has ended; starting it again")
        record.start()
    if dead:
        deadline = time.monotonic() + REVIVE_SECONDS
        while cluster().kubectl("get", "nodes", check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise CommandError("the API server does not answer; make cluster-down, then again")
            time.sleep(0.5)
        for node in NODES:
            nodes.wait_until_ready(node, cluster())


def _start(wanted: Images, presets: Sequence[str]) -> None:
    (home() / "forwarding").write_text(network.forwarding())
    (home() / "logs").mkdir()
    images.save(wanted, home() / "images.json")
    with step("network, control plane and S3 server"):
        network.make()
        plane = _start_control_plane()
        access = storage.start()
        dns.start(plane.as_user("system:coredns", ["system:masters"]).kubeconfig)
    shutil.copy(plane.kubeconfig, kubeconfig())
    with step("two nodes"):
        for node in NODES:
            nodes.start(node, plane, wanted)
        storage.make_service(plane.admin)
        for node in NODES:
            nodes.wait_until_ready(node, plane.admin)
    with step("models and items of the examples into S3"):
        storage.upload_examples(access, presets)
    with step("the chart"):
        installation.install(plane.admin, wanted)
        installation.make_demo_namespace(plane.admin)
    (home() / "up").touch()


def _start_control_plane() -> ControlPlane:
    settings = ControlPlaneSettings(
        address=HOST_ADDRESS,
        service_range=SERVICE_RANGE,
        port=API_PORT,
        outlives_parent=True,
    )
    plane = ControlPlane(home() / "control-plane", settings)
    plane.start()
    for name in COMPONENTS:
        records.adopt(name, plane.processes[name])
    return plane


def reload() -> None:
    """Build images of the clone as it is now, and let the running cluster use them.

    Raises:
        CommandError: a step failed.
    """
    if not is_up():
        raise CommandError("there is no cluster; make cluster brings one up")
    wanted = images.wanted()
    images.build(wanted)
    with step("giving the nodes the images"):
        additions = home() / "additions.tar"
        image_store.write_additions(wanted, NODES[0].folder / "containerd", additions)
        for node in NODES:
            image_store.add(wanted, additions, nodes.containerd_client(node))
        additions.unlink()
    images.save(wanted, home() / "images.json")
    with step("the chart"):
        installation.install(cluster(), wanted)


def down() -> None:
    """Take everything down; what is not there is no error.

    Raises:
        CommandError: something could not be removed.
    """
    for node in NODES:
        nodes.remove(node)
    names = records.names()
    # The API server ends before etcd: it drains its watches for long when etcd is gone.
    for name in reversed(names):
        records.read(name).end(3)
    if home().exists():
        ControlPlane.end_left_behind(home() / "control-plane")
    before = home() / "forwarding"
    network.remove(before.read_text() if before.exists() else None)
    shutil.rmtree(home(), ignore_errors=True)
    if rest := left():
        raise CommandError(f"could not remove {', '.join(rest)}")


def left() -> list[str]:
    """What of a cluster exists on this machine."""
    found = [*network.left()]
    for node in NODES:
        found += [str(path) for path in cgroups.left(node.namespace)]
    if home().exists():
        found.append(str(home()))
    mounts = Path("/proc/self/mounts").read_text()
    found += [line.split()[1] for line in mounts.splitlines() if str(home()) in line]
    return found


def status() -> dict[str, object]:
    """What runs, for people and programs."""
    servers = {name: records.read(name).pid for name in records.names()}
    return {
        "up": is_up(),
        "home": str(home()),
        "kubeconfig": str(kubeconfig()) if kubeconfig().exists() else None,
        "servers": servers,
        "left": left(),
    }


def _keep_logs() -> Path:
    kept = home().with_name("failed-cluster-logs")
    shutil.rmtree(kept, ignore_errors=True)
    for part in LOGS:
        folder = home() / part
        if folder.exists():
            shutil.copytree(folder, kept / part.replace("/", "-"))
    return kept
