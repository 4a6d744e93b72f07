"""The images of `make cluster`, built from the Dockerfile where no registry can be reached.

A base image is made by debootstrap once, buildah builds the two targets over it, and a containerd
that no node runs unpacks them into a store. Each node starts with a copy of that store by hard
links: 7 GB of worker image are on the disk once and a node has them in seconds. All of it lies in
the cache folder, outside the clone, and images are named by the hash of what they are made of.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.base.commands import CommandError, follow, run, step
from devcluster.real.layout import ROOT, cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENGINE = "cpu"
SUITE = "bookworm"
PACKAGES = "ca-certificates,python3,python3-venv,python3-pip"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# What of the clone the images are made of, as .dockerignore lets through.
SOURCES = (
    "Dockerfile",
    "pyproject.toml",
    "constraints.txt",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "runtime",
    "operator",
    "scripts/vllm_cpu.py",
    "scripts/image_requirements.py",
    "locks/build.txt",
    "locks/operator.txt",
    "locks/ui.txt",
    "locks/worker.txt",
)
BUILD_SECONDS = 3600.0
# On two quiet cores, with nothing cached.
USUAL_SECONDS = {"operator": 60, "worker": 300}
BASE_SECONDS = 60
DISK_BYTES = 24 << 30
DISK_BYTES_CACHED = 10 << 30


@dataclass(frozen=True)
class Images:
    """Full names, with tags, of the images of one state of the clone."""

    operator: str
    worker: str
    pause: str

    @property
    def all(self) -> tuple[str, str, str]:
        """Every name."""
        return (self.operator, self.worker, self.pause)


def wanted() -> Images:
    """What the clone's images are called, built or not."""
    source = _digest(path for name in SOURCES for path in _files(ROOT / name))
    tag = hashlib.sha256(f"{source} {_base_name()} {ENGINE}".encode()).hexdigest()[:16]
    pause = _digest([Path(__file__).with_name("pause.c")])[:16]
    return Images(
        operator=f"localhost/cycleqd-operator:{tag}",
        worker=f"localhost/cycleqd-worker:{tag}",
        pause=f"localhost/cycleqd-pause:{pause}",
    )


def build(images: Images) -> None:
    """Build what buildah does not have yet.

    Raises:
        CommandError: the disk is too full, or a step failed; the message ends with what it wrote.
    """
    cache().mkdir(parents=True, exist_ok=True)
    _buildah("rm", "--all", seconds=300)  # of builds that were interrupted
    if not _is_built(_base_name()):
        with step("making the base image (debootstrap)", BASE_SECONDS) as making:
            _build_base(_base_name(), making.tell)
    if not _is_built(images.pause):
        _build_pause(images.pause)
    for target in ("operator", "worker"):
        name = getattr(images, target)
        if not _is_built(name):
            _check_disk()
            with step(f"building image {name}", USUAL_SECONDS[target]) as building:
                _build_target(target, name, building.tell)
    _forget_others(images)


def archive_command(name: str) -> list[str]:
    """The command that writes a built image as an archive to its standard output."""
    return [*_buildah_command(), "push", "--quiet", name, f"docker-archive:/dev/stdout:{name}"]


def unknown_bytes(images: Images, known: Path) -> int:
    """Size of the layers of images that a containerd with this folder of blobs lacks."""
    layers = {}
    for name in images.all:
        inspected = json.loads(_buildah("inspect", "--type=image", name))
        for layer in json.loads(inspected["Manifest"])["layers"]:
            layers[layer["digest"].partition(":")[2]] = layer["size"]
    return sum(size for digest, size in layers.items() if not (known / digest).exists())


def write_additions(images: Images, known: Path, output: Path) -> None:
    """Write an OCI archive of images without the blobs that its reader has.

    buildah passes over layers that its target has already, so this takes seconds where only the
    source has changed, and `archive_command` minutes.

    Args:
        images: which have been built.
        known: containerd's folder of blobs.
        output: the tar archive.
    """
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        layout = Path(scratch)
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for blob in known.iterdir():
            (blobs / blob.name).hardlink_to(blob)
        for name in images.all:
            _buildah("push", "--quiet", name, f"oci:{layout}:{name}", seconds=BUILD_SECONDS)
        file = layout / "index.json"
        index = json.loads(file.read_text())
        for entry in index["manifests"]:
            name = entry["annotations"]["org.opencontainers.image.ref.name"]
            entry["annotations"] = {"io.containerd.image.name": name}
        file.write_text(json.dumps(index))
        with tarfile.open(output, "w") as tar:
            for blob in sorted(blobs.iterdir()):
                if not (known / blob.name).exists():
                    tar.add(blob, f"blobs/sha256/{blob.name}")
            for part in ("oci-layout", "index.json"):
                tar.add(layout / part, part)


def unpacked_layers() -> list[Path]:
    """The folders in which buildah has layers unpacked."""
    return sorted((cache() / "storage" / "overlay").glob("*/diff"))


def save(images: Images, path: Path) -> None:
    """Write down the names."""
    path.write_text(json.dumps(asdict(images)))


def load(path: Path) -> Images | None:
    """Read the names that `save` wrote."""
    return Images(**json.loads(path.read_text())) if path.exists() else None


def _build_base(name: str, tell: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        folder = Path(scratch) / "root"
        follow(
            "debootstrap",
            "--variant=minbase",
            f"--include={PACKAGES}",
            SUITE,
            folder,
            seconds=BUILD_SECONDS,
            tell=tell,
        )
        for debris in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(folder / debris)
            (folder / debris / "partial").mkdir(parents=True)
        _commit(name, folder, [])


def _build_pause(name: str) -> None:
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        source = Path(__file__).with_name("pause.c")
        folder = Path(scratch) / "root"
        folder.mkdir()
        run("gcc", "-static", "-Os", "-o", folder / "pause", source)
        _commit(name, folder, ["--entrypoint", '["/pause"]', "--user", "65535:65535"])


def _commit(name: str, folder: Path, settings: list[str]) -> None:
    """Make an image of one layer from a folder."""
    container = _buildah("from", "scratch").strip()
    try:
        _buildah("add", "--quiet", container, str(folder), "/", seconds=300)
        if settings:
            _buildah("config", *settings, container)
        _buildah("commit", "--quiet", container, name, seconds=300)
    finally:
        _buildah("rm", container)


def _build_target(target: str, name: str, tell: Callable[[str], None]) -> None:
    arguments = {
        "BASE_IMAGE": _base_name(),
        "ENGINE": ENGINE,
        "PIP_CERT": str(CERTIFICATES),
        # Only what reaches over a network: folders of this machine are not in the build.
        "PIP_INDEX_URL": os.environ.get("PIP_INDEX_URL", ""),
    }
    options = [f"--build-arg={key}={value}" for key, value in arguments.items() if value]
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        context = Path(scratch)
        for name_in_clone in SOURCES:
            for path in _files(ROOT / name_in_clone):
                copy = context / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
                # buildah's cache looks at times too; a clone's are those of its checkout.
                os.utime(copy, (0, 0))
        follow(
            *_buildah_command(),
            "bud",
            "--layers",
            "--isolation=chroot",
            "--network=host",
            f"--volume={CERTIFICATES}:{CERTIFICATES}:ro",
            *options,
            f"--target={target}",
            f"--tag={name}",
            str(context),
            seconds=BUILD_SECONDS,
            # "STEP 3/7: RUN ..." says how far it is; what its commands write does not.
            tell=lambda line: tell(line) if "STEP " in line else None,
        )


def _forget_others(images: Images) -> None:
    """Remove images of earlier states; layers that the current ones are made of stay cached."""
    keep = {*images.all, _base_name()}
    for name in _names():
        if name.startswith("localhost/cycleqd-") and name not in keep:
            _buildah("rmi", name, seconds=300)
    _buildah("rmi", "--prune", seconds=300)


def _check_disk() -> None:
    cached = any(name.startswith("localhost/cycleqd-worker:") for name in _names())
    needed = DISK_BYTES_CACHED if cached else DISK_BYTES
    free = shutil.disk_usage(cache()).free
    if free < needed:
        raise CommandError(
            f"building the images takes up to {needed >> 30} GB, and {free >> 30} GB are free"
            f" below {cache()}; make room, or let XDG_CACHE_HOME name another disk"
        )


def _names() -> list[str]:
    listed = json.loads(_buildah("images", "--json"))
    return [name for image in listed for name in image.get("names") or ()]


def _is_built(name: str) -> bool:
    try:
        _buildah("inspect", "--type=image", name)
    except CommandError:
        return False
    return True


def _base_name() -> str:
    spec = hashlib.sha256(f"{SUITE} {PACKAGES}".encode()).hexdigest()[:16]
    return f"localhost/cycleqd-base:{spec}"


def _digest(paths: Iterator[Path] | list[Path]) -> str:
    state = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        state.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return state.hexdigest()


def _files(path: Path) -> list[Path]:
    """The files of the clone below a path that go into an image."""
    if path.is_file():
        return [path]
    found = (below for below in path.rglob("*") if below.is_file())
    return sorted(below for below in found if "__pycache__" not in below.parts)


def _buildah(*arguments: str, seconds: float = 60) -> str:
    return run(*_buildah_command(), *arguments, seconds=seconds)


def _buildah_command() -> list[str]:
    storage = ["--root", str(cache() / "storage"), "--runroot", str(cache() / "run")]
    # What it mounts, and may leave mounted when it is interrupted, ends with it.
    alone = ["unshare", "--mount", "--propagation=private"]
    return [*alone, "buildah", *storage, "--storage-driver=overlay"]
