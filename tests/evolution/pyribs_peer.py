"""A pyribs GridArchive in the environment of peers: reads requests, writes what it holds.

A request is a line of JSON: ``dims``, ``ranges`` and, for each offer, ``objective`` and
``measures``. So is the answer: ``added``, one truth for each offer; ``cells``, the grid index and
the number of the offer that holds it; and the archive's statistics.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ribs.archives import GridArchive


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What a fresh archive holds after all offers."""
    archive = GridArchive(
        solution_dim=1, dims=asked["dims"], ranges=asked["ranges"], qd_score_offset=0.0
    )
    added = [
        bool(archive.add_single([number], objective, measures)["status"])
        for number, (objective, measures) in enumerate(asked["offers"])
    ]
    data = archive.data(["solution", "index"])
    cells = archive.int_to_grid_index(data["index"]).tolist()
    stats = archive.stats
    return {
        "added": added,
        "cells": [[cell, int(s[0])] for cell, s in zip(cells, data["solution"], strict=True)],
        "coverage": float(stats.coverage),
        "qd_score": float(stats.qd_score),
        "best": None if stats.obj_max is None else float(stats.obj_max),
    }


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
