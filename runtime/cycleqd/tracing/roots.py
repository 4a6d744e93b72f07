"""Where a stage's spans belong: ids that follow from the run, its place and the stage."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cycleqd.records.keys import Stage


@dataclass(frozen=True)
class Root:
    """The span that a stage's other spans are below.

    Attributes:
        trace: 128-bit id of the trace.
        span: 64-bit id of the span.
    """

    trace: int
    span: int


@dataclass(frozen=True)
class TracedRun:
    """A run as its traces know it.

    Attributes:
        run_id: as ``run.json`` says.
        uri: where it is stored. It goes into ids alone, as a digest: two runs of one manifest have
            one ``run_id``, and are two all the same.
    """

    run_id: str
    uri: str

    def root(self, stage: Stage) -> Root:
        """The root of a stage, the same in every process."""
        text = f"cycleqd-trace/1\n{self.run_id}\n{self.uri}\n{stage.folder}"
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        return Root(int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big"))
