"""mergekit in a process of its own: reads one merge a line, answers with figures.

Run by `benchmarks/merge.py` with the Python of mergekit's environment; needs nothing of ours but
`measure.py`, which stands beside it.
"""

from __future__ import annotations

import json
import sys

import torch
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions

from measure import measure


def main() -> None:
    """Serve merges until the input ends."""
    # The protocol has standard output to itself.
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(1)
    options = MergeOptions(copy_tokenizer=False, quiet=True, write_model_card=False)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        config = MergeConfiguration.model_validate(request["config"])
        seconds, megabytes = measure(lambda c=config, o=request["out"]: run_merge(c, o, options))
        print(json.dumps({"seconds": seconds, "megabytes": megabytes}), file=answers, flush=True)


if __name__ == "__main__":
    main()
