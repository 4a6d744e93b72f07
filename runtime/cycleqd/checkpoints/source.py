"""From a checkpoint's URI in a manifest to a folder on this machine.

- a local path is used where it lies. A relative one starts at the working directory when a run
  begins; later commands look where it was found then (`location_of`), and only where that folder is
  gone, from their own working directory. Whether it still is the same checkpoint, its digest says;
- ``hf://org/name[@revision]`` goes through the Hugging Face hub's own cache, and is served from it
  alone when ``HF_HUB_OFFLINE`` is set;
- ``s3://bucket/prefix`` is downloaded into the given cache folder, once for all workers of a
  machine.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.checkpoints.files import (
    ADAPTER_CONFIG_FILE,
    COMPANIONS,
    CONFIG_FILE,
    INDEX_FILE,
    kind_of,
)
from cycleqd.errors import CheckpointError, StoreUnavailable
from cycleqd.manifest.contents import why_no_checkpoint
from cycleqd.manifest.uris import local_path, where_paths_start
from cycleqd.scratch import scratch_folder
from cycleqd.store import S3Settings, open_store
from cycleqd.store.foreign import download_foreign
from cycleqd.store.localfile import disk_errors

if TYPE_CHECKING:
    from cycleqd.store.base import ObjectStore

_FILES = (*COMPANIONS, CONFIG_FILE, INDEX_FILE, ADAPTER_CONFIG_FILE)
_PROBE_BYTES = 1 << 16


def location_of(uri: str) -> str | None:
    """The place that a relative path names now; None for all that means the same everywhere.

    Links are not followed: the location is the user's path, made whole.
    """
    if local_path(uri) is None or Path(uri).is_absolute():
        return None
    location = str(Path(uri).absolute())
    try:
        location.encode()
    except UnicodeEncodeError:  # a folder's name that no document can hold
        return None
    return location


def resolve(
    uri: str, cache: Path, s3: S3Settings | None = None, *, location: str | None = None
) -> Path:
    """The local folder of a checkpoint, downloaded if need be.

    Args:
        uri: local path, ``hf://org/name[@revision]`` or ``s3://bucket/prefix``.
        cache: where ``s3://`` checkpoints are kept; processes may share it.
        s3: connection settings, passed on to `cycleqd.store.open_store`.
        location: where a relative path was found when the run began.

    Raises:
        CheckpointError: there is no such checkpoint, or it may not be read.
        StoreUnavailable: the hub or the S3 server could not be reached.
        StoreError: the cache cannot be written.
    """
    if uri.startswith("hf://"):
        return _from_hub(uri)
    if uri.startswith("s3://"):
        return from_store(uri, open_store(uri, s3), cache)
    if "://" in uri:
        raise CheckpointError(f"{uri}: unknown kind of URI; use a path, hf://org/name or s3://...")
    kind = None
    for folder in (uri,) if location is None else (location, uri):
        kind = kind_of(Path(folder))
        if kind == "folder":
            return Path(folder)
    if kind is not None:
        raise CheckpointError(f"{uri}: is a {kind}, not a folder; give the checkpoint's folder")
    if location is None:
        raise CheckpointError(f"{uri}: no such folder; {where_paths_start(uri)}")
    raise CheckpointError(
        f"{uri}: no such folder, neither {location}, where it was when the run began, nor from the "
        f"working directory {Path.cwd()}; bring it back, or work from a folder that holds {uri}"
    )


def _from_hub(uri: str) -> Path:
    from huggingface_hub import constants, errors, snapshot_download  # noqa: PLC0415 - takes 1 s

    repository, _, revision = uri.removeprefix("hf://").partition("@")
    try:
        folder = snapshot_download(
            repository, revision=revision or None, allow_patterns=[*_FILES, "*.safetensors"]
        )
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"{uri}: access must be granted; accept the model's terms and set HF_TOKEN"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise CheckpointError(
            f"{uri}: no such model on the hub; check the name, or set HF_TOKEN if it is private"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CheckpointError(f"{uri}: the model has no revision {revision!r}") from error
    except errors.LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            raise CheckpointError(
                f"{uri}: not in the local cache {constants.HF_HUB_CACHE} and HF_HUB_OFFLINE is "
                "set; download it first, or give a local path"
            ) from error
        raise StoreUnavailable(
            f"{uri}: the hub cannot be reached and the model is not in the local cache"
        ) from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise StoreUnavailable(f"{uri}: {error}") from error
    return Path(folder)


def from_store(uri: str, store: ObjectStore, cache: Path) -> Path:
    """The local folder of a checkpoint that is all that a store holds, downloaded if need be.

    Args:
        uri: how messages call it.
        store: with the checkpoint's files as its objects.
        cache: where it is kept; processes may share it.

    Raises:
        CheckpointError: there is none.
        StoreError: the store failed, or the cache cannot be written.
    """
    stored = list(store.list())
    keys = [key for key in stored if key in _FILES or _is_weights(key)]
    if CONFIG_FILE not in keys and ADAPTER_CONFIG_FILE not in keys:
        wrong = why_no_checkpoint(stored, uri) if stored else None
        wrong = wrong or (
            f"no {CONFIG_FILE} below this prefix, nor an adapter's {ADAPTER_CONFIG_FILE}"
        )
        raise CheckpointError(f"{uri}: {wrong}; check the URI")
    target = cache / "checkpoints" / _fingerprint(uri, store, keys)
    if target.is_dir():
        return target
    with disk_errors(f"cannot write {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder("checkpoint", target.parent) as partial:
        for key in keys:
            download_foreign(store, key, partial / key)
        with disk_errors(f"cannot write {target}"):
            try:
                partial.rename(target)
            except OSError:
                # Another worker was first; its copy has the same fingerprint.
                if not target.is_dir():
                    raise
    return target


def _is_weights(key: str) -> bool:
    # What cannot be printed cannot be named by an index either.
    return "/" not in key and key.isprintable() and key.endswith(".safetensors")


def _fingerprint(uri: str, store: ObjectStore, keys: list[str]) -> str:
    """Names a cached copy so that a checkpoint replaced under the same URI is not mistaken for it.

    Sizes and samples of every file, for a store tells no content hash without reading all.
    """
    state = hashlib.sha256(uri.encode())
    for key in keys:
        size = store.size(key)
        state.update(f"\0{key}\0{size}\0".encode())
        for start in sorted({0, size // 2, max(0, size - _PROBE_BYTES)}):
            state.update(hashlib.sha256(store.read_range(key, start, _PROBE_BYTES)).digest())
    return state.hexdigest()[:32]
