"""GET of one large object: boto3's defaults against the store, interleaved, on loopback.

    .venv/bin/python benchmarks/store.py [--megabytes 512] [--rounds 7] [--server versitygw|minio]

Both fetch the same object from the same real server into a file in memory (``/dev/shm`` where
there is one). boto3's `download_file` with its defaults does not verify a multipart object's
content; the store always verifies. Only ratios of medians mean anything on a shared machine; the
client's processor seconds are shown beside the wall time, since neighbours disturb them less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import boto3

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from typing import TYPE_CHECKING

from tests.servers.s3 import running

from cycleqd.store.s3 import S3Store

if TYPE_CHECKING:
    from collections.abc import Callable


def _measure(call: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Run the benchmark and print a table of medians and ratios."""
    parser = argparse.ArgumentParser(description="GET: boto3 defaults against the store.")
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--server", choices=["versitygw", "minio"], default="versitygw")
    arguments = parser.parse_args()
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with (
        tempfile.TemporaryDirectory(dir=memory) as scratch,
        running(arguments.server, Path(scratch) / "server") as server,
    ):
        os.environ.update(server.env)
        source, target = Path(scratch) / "source", Path(scratch) / "target"
        source.write_bytes(os.urandom(1 << 20) * arguments.megabytes)
        store = S3Store(server.bucket, "bench", server.settings)
        uploaded, _ = _measure(lambda: store.create_file("object", source))
        plain = boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1")

        contenders: dict[str, Callable[[], object]] = {
            "boto3 defaults": lambda: plain.download_file(
                server.bucket, "bench/object", str(target)
            ),
            "store.download": lambda: store.download("object", target),
            "store.read": lambda: store.read("object"),
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        for _ in range(arguments.rounds):
            for name, call in contenders.items():
                target.unlink(missing_ok=True)
                times[name].append(_measure(call))
        medians = {
            name: [statistics.median(column) for column in zip(*pairs, strict=True)]
            for name, pairs in times.items()
        }
        print(f"{arguments.megabytes} MiB from {arguments.server}, {arguments.rounds} rounds")
        print(f"upload by store.create_file: {uploaded:.2f} s")
        base = medians["boto3 defaults"]
        for name, (wall, processor) in medians.items():
            print(
                f"{name:16} wall {wall:6.3f} s ({base[0] / wall:4.2f}x as fast)   "
                f"processor {processor:6.3f} s ({base[1] / processor:4.2f}x as thrifty)"
            )


if __name__ == "__main__":
    main()
