"""After any lineage of linear crossovers and ExpertSVD mutations the genome is the dense model."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cycleqd.evolution.crossover import cross, first_parent_weights
from cycleqd.evolution.genome import expert_genome
from cycleqd.evolution.mutation import mutate
from cycleqd.evolution.rng import stream
from cycleqd.manifest.evolution import Crossover, Mutation
from tests.evolution.dense import World, largest_difference, small_layout


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rank=st.sampled_from([None, 2]),
    granularity=st.sampled_from(["Model", "Block", "Tensor"]),
    stddev=st.sampled_from([0.01, 0.2]),
    data=st.data(),
)
def test_lineage_of_sixty_children(seed, rank, granularity, stddev, data):
    world = World.make(seed % 7, small_layout(rank))
    layout = world.layout
    crossover = Crossover(granularity=granularity, stddev=stddev)
    mutation = Mutation(max_scale=0.1, rank=rank)
    genomes = [expert_genome(layout, name) for name in layout.experts]
    models = [world.expert(number) for number in range(3)]
    picks = np.random.default_rng(data.draw(st.integers(0, 99)))
    for number in range(60):
        # The dense lineage repeats the paper's steps on whole matrices, never looking at genomes.
        recent = max(0, len(genomes) - 12)
        i, j = recent + picks.permutation(len(genomes) - recent)[:2]
        share = first_parent_weights(layout, crossover, stream(seed, number, "crossover"))
        steps = 0.1 * stream(seed, number, "mutation").uniform(layout.directions)
        expert = number % 3
        model = []
        for tensor, base in enumerate(world.base):
            one, two = models[i][tensor] - base, models[j][tensor] - base
            child = base + share[tensor] * one + (1 - share[tensor]) * two
            if layout.tensors[tensor].rank:
                gains = steps[layout.directions_of(tensor)]
                child = child + world.along_directions(expert, tensor, gains)
            model.append(child)
        models.append(model)
        genome = cross(genomes[i], genomes[j], crossover, stream(seed, number, "crossover"))
        genomes.append(
            mutate(
                genome,
                mutation,
                number=number,
                expert=layout.experts[expert],
                stream=stream(seed, number, "mutation"),
            )
        )
    for genome, model in zip(genomes, models, strict=True):
        size = max(1.0, *(float(np.abs(tensor).max()) for tensor in model))
        assert largest_difference(world.weights(genome), model) < 1e-6 * size
