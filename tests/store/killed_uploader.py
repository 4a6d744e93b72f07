"""Upload a large file to S3 and die by SIGKILL after the second part.

Usage: killed_uploader.py BUCKET PREFIX ENDPOINT FILE
"""

import itertools
import os
import signal
import sys
from pathlib import Path

from cycleqd.store import S3Settings
from cycleqd.store.s3 import S3Store

bucket, prefix, endpoint, file = sys.argv[1:]
store = S3Store(
    bucket, prefix, S3Settings(endpoint=endpoint, region="us-east-1"), part_bytes=5 << 20
)
sent = itertools.count(1)


def count_parts(**_: object) -> None:
    if next(sent) == 2:
        os.kill(os.getpid(), signal.SIGKILL)


store._client.meta.events.register("after-call.s3.UploadPart", count_parts)
store.create_file("model/w.safetensors", Path(file))
