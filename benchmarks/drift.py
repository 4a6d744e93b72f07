"""How much of 40 mutations survives: genome rounded once, against bf16 children stored each time.

    python -m benchmarks.drift [--generations 40] [--sizes 0.0026 0.01 0.026]

Sizes are ``||task vector|| / ||W||``; 0.0026 is that of a short fine-tune of SmolLM2-135M. Each
generation adds a little of an expert's task vector along every singular direction
(``W += U diag(w s) V^T``, w ~ U[0, 0.1]). The share kept is the projection of the child's change on
the exact one: 1 means that nothing is lost.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from tests.checkpoints import family
from tests.weights.lineage import Family, add_gain, draw, mutate

from cycleqd.evolution.genome import expert_genome

WEIGHT_RMS = 0.05


def kept(size: float, generations: int, folder: Path) -> tuple[float, float, float]:
    """One line of descent of mutations along one expert's directions.

    Returns:
        Mean factor by which the exact task vector grew; share of the growth kept by the genome
        rounded once to bf16, and by bf16 children stored in each generation.
    """
    made = Family(
        family(folder, experts=("expert",), size=size * WEIGHT_RMS, hidden=256, intermediate=512),
        folder / "cache",
    )
    random = np.random.default_rng(0)
    exact = start = made.model("expert")
    stored = dict(made.experts["expert"])
    genome = expert_genome(made.layout, "expert")
    for _ in range(generations):
        draws = draw(made.layout, random, top=0.1)
        exact = mutate(exact, made.factors["expert"], draws)
        wide = {name: tensor.double() for name, tensor in stored.items()}
        wide = mutate(wide, made.factors["expert"], draws)
        stored = {name: tensor.bfloat16() for name, tensor in wide.items()}
        genome = add_gain(genome, 0, made.layout, draws)
    once = made.materializer().to_ram(genome)
    names = list(made.factors["expert"].ranks)

    def change(model: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([(model[name].double() - start[name]).flatten() for name in names])

    wanted = change(exact)
    task = torch.cat([(start[n] - made.model("base")[n]).flatten() for n in names])
    growth = 1 + float(wanted @ task / task.square().sum())
    shares = [float(change(model) @ wanted / wanted.square().sum()) for model in (once, stored)]
    return growth, shares[0], shares[1]


def main() -> None:
    """Print one line for each size of task vector."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--generations", type=int, default=40)
    parser.add_argument("--sizes", type=float, nargs="+", default=[0.0026, 0.01, 0.026])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"share of the gain of {options.generations} mutations that is kept")
    print("| task vector / weights | exact growth | genome, rounded once | bf16 children stored |")
    print("|----------------------:|-------------:|---------------------:|---------------------:|")
    for size in options.sizes:
        with TemporaryDirectory() as folder:
            growth, genome, stored = kept(size, options.generations, Path(folder))
        print(f"| {size:21.2%} | {growth:11.2f}x | {genome:20.2%} | {stored:20.2%} |")


if __name__ == "__main__":
    main()
