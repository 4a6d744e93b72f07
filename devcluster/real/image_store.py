"""containerd's store with the images unpacked in it, from which every node gets its own.

`fill` runs a containerd over the store just long enough to import what it lacks. `copy_to` makes a
node's store: directories anew, files by hard links, databases copied. Layers and blobs are never
written to, so nodes can share the files; what a node deletes is only its own link.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.base.commands import CommandError, run, step
from devcluster.base.processes import ServerProcess
from devcluster.real import images as image_files
from devcluster.real.layout import cache
from devcluster.real.node_files import containerd as containerd_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devcluster.real.images import Images

BLOBS = "io.containerd.content.v1.content/blobs/sha256"
SNAPSHOTS = "io.containerd.snapshotter.v1.overlayfs/snapshots"
# Above it, compressing the additions takes longer than reading the images whole.
ADDITIONS_BYTES = 500 << 20
LARGE_BYTES = 1 << 16
IMPORT_SECONDS = 900.0
UNPACK_SECONDS = 220  # on two quiet cores
SOCKET_SECONDS = 120.0


def store() -> Path:
    """The folder of the store."""
    return cache() / "containerd"


def fill(images: Images) -> None:
    """Bring the images into the store, and others out of it.

    Raises:
        CommandError: containerd did not take them.
    """
    done = cache() / "images.json"
    if image_files.load(done) == images:
        return
    done.unlink(missing_ok=True)
    blobs = store() / BLOBS
    whole = image_files.unknown_bytes(images, blobs) > ADDITIONS_BYTES
    if whole and store().exists():
        shutil.rmtree(store())  # first, since the disk need not hold old and new
    usual = UNPACK_SECONDS if whole else None
    with step("unpacking the images", usual) as unpacking, _containerd() as ctr:
        if not whole:
            with tempfile.TemporaryDirectory(dir=cache()) as scratch:
                additions = Path(scratch) / "additions.tar"
                image_files.write_additions(images, blobs, additions)
                add(images, additions, ctr)
        else:
            for name in images.all:
                unpacking.tell(name)
                _import(name, ctr)
    _share_files()
    image_files.save(images, done)


def write_additions(images: Images, node_store: Path, output: Path) -> None:
    """Write an archive of what a node's store lacks of the images."""
    image_files.write_additions(images, node_store / BLOBS, output)


def add(images: Images, additions: Path, ctr: list[str]) -> None:
    """Import an archive of additions into a running containerd, and remove other images.

    Args:
        images: what the archive is of.
        additions: written for this containerd's store, or one like it.
        ctr: the command, with whatever reaches that containerd.

    Raises:
        CommandError: containerd did not take them.
    """
    run(*ctr, "images", "import", additions, seconds=IMPORT_SECONDS)
    _remove_others(images, ctr)


def _remove_others(images: Images, ctr: list[str]) -> None:
    """Remove what is not of these images, and with the last name of an image its content.

    An image has further names: the kubelet's side of containerd adds one by its digest.
    """
    lines = run(*ctr, "images", "list").splitlines()[1:]
    digests = {name: digest for name, _, digest, *_ in map(str.split, lines)}
    keep = {digests[name] for name in images.all}
    for name, digest in digests.items():
        if digest not in keep:
            run(*ctr, "images", "remove", "--sync", name, seconds=120)


def _import(name: str, ctr: list[str]) -> None:
    """Import one whole image."""
    with subprocess.Popen(
        image_files.archive_command(name), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as archiving:
        importing = subprocess.run(
            [*ctr, "images", "import", "-"],
            stdin=archiving.stdout,
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
            check=False,
        )
    if importing.returncode != 0 or archiving.returncode != 0:
        raise CommandError(f"containerd did not take {name}: {importing.stderr[-2000:]}")


def _share_files() -> None:
    """Make large files that buildah has unpacked too the same ones; neither ever writes to them."""
    layers = image_files.unpacked_layers()
    theirs = {key: path for layer in layers for path, key in _large_files(layer)}
    for layer in sorted(store().glob(f"{SNAPSHOTS}/*/fs")):
        for path, key in _large_files(layer):
            same = theirs.get(key)
            if same is not None and not path.samefile(same):
                fresh = path.with_name(f"{path.name}.shared")
                try:
                    fresh.hardlink_to(same)
                except OSError:  # a mount between them: nothing is shared, nothing is lost
                    return
                fresh.replace(path)


def _large_files(layer: Path) -> Iterator[tuple[Path, tuple[Path, int, int]]]:
    """Large files of an unpacked layer, with what tells them apart: path, size, time."""
    for folder, _, names in os.walk(layer):
        for name in names:
            path = Path(folder) / name
            state = path.lstat()
            if stat.S_ISREG(state.st_mode) and state.st_size >= LARGE_BYTES:
                yield path, (path.relative_to(layer), state.st_size, int(state.st_mtime))


def copy_to(folder: Path) -> None:
    """Make a node's store. The seed must not be in use."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        run("cp", "--archive", "--link", store(), folder, seconds=IMPORT_SECONDS)
    except CommandError as error:
        if "cross-device" not in str(error):
            raise
        shutil.rmtree(folder)
        run("cp", "--archive", store(), folder, seconds=IMPORT_SECONDS)
    for database in folder.rglob("*.db"):
        if database.parent.name.startswith("io.containerd."):
            fresh = database.with_suffix(".new")
            shutil.copy2(database, fresh)
            fresh.replace(database)


@contextmanager
def _containerd() -> Iterator[list[str]]:
    """A containerd over the store; yields the ctr command for it."""
    runtime = cache() / "run-containerd"
    runtime.mkdir(parents=True, exist_ok=True)
    socket = runtime / "containerd.sock"
    settings = containerd_settings(store(), "none", cache() / "cni")
    file = runtime / "config.toml"
    file.write_text(settings.replace("/run/containerd", str(runtime)))
    unshare = shutil.which("unshare")
    if unshare is None:
        raise CommandError("there is no unshare on this machine (package util-linux)")
    # Mounts that it leaves behind end with it.
    server = ServerProcess(
        [unshare, "--mount", "--propagation=private", "containerd", "--config", file],
        dict(os.environ),
        runtime / "containerd.log",
    )
    ctr = ["ctr", "--address", str(socket), "--namespace", "k8s.io"]
    try:
        server.wait_until(socket.exists, SOCKET_SECONDS)
        deadline = time.monotonic() + SOCKET_SECONDS
        while True:
            try:
                run(*ctr, "version")
                break
            except CommandError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        yield ctr
    finally:
        server.stop(20)
        shutil.rmtree(runtime, ignore_errors=True)
