"""ExpertSVD adds exactly U diag(w s) V^T of the focus task's expert, w ~ U[0, maxScale]."""

import numpy as np
import pytest

from cycleqd.evolution.genome import ChildSVD, Genome, Noise, expert_genome
from cycleqd.evolution.mutation import mutate
from cycleqd.evolution.rng import stream
from cycleqd.manifest.evolution import Mutation
from tests.evolution.dense import World, small_layout


def mutated(genome, number=3, expert="b", **settings):
    mutation = Mutation(**settings)
    return mutate(
        genome, mutation, number=number, expert=expert, stream=stream(0, number, "mutation")
    )


@pytest.mark.parametrize("rank", [None, 2, 1])
def test_what_is_added_is_u_diag_ws_vt(rank):
    world = World.make(2, small_layout(rank))
    parent = expert_genome(world.layout, "a")
    child = mutated(parent, max_scale=0.1, rank=rank)
    steps = 0.1 * stream(0, 3, "mutation").uniform(world.layout.directions)
    assert world.layout.directions == (10 if rank is None else 3 * rank)
    before, after = world.weights(parent), world.weights(child)
    for tensor, slot in enumerate(world.layout.tensors):
        added = after[tensor] - before[tensor]
        if slot.rank == 0:
            assert not added.any()  # norms are left alone
            continue
        u, s, vt = np.linalg.svd(world.task_vectors[1][tensor], full_matrices=False)
        w = steps[world.layout.directions_of(tensor)]
        assert len(w) == slot.rank
        expected = u[:, : slot.rank] @ np.diag(w * s[: slot.rank]) @ vt[: slot.rank]
        assert added == pytest.approx(expected, abs=1e-7)
        # The child moves by 5 % of the expert's task vector on the whole, never backwards.
        assert np.sum(added * world.task_vectors[1][tensor]) > 0


def test_only_the_focus_expert_s_gains_change_and_scales_stay():
    layout = small_layout()
    gain = np.full((3, layout.directions), 0.25, np.float32)
    parent = Genome(layout, np.ones((3, 5), np.float32), gain)
    child = mutated(parent, expert="c", max_scale=0.1)
    assert np.array_equal(child.scale, parent.scale)
    assert np.array_equal(child.gain[:2], gain[:2])
    steps = child.gain[2] - 0.25
    assert ((steps >= 0) & (steps <= 0.1 + 1e-6)).all()
    assert len(set(steps.tolist())) == layout.directions  # fresh for each direction
    assert np.array_equal(parent.gain, gain)  # the parent is untouched


def test_the_mean_step_is_half_the_limit():
    layout = small_layout()
    parent = expert_genome(layout, "a")
    steps = [mutated(parent, number=n, max_scale=0.1).gain[1] for n in range(500)]
    assert np.mean(steps) == pytest.approx(0.05, abs=4.5 * 0.1 / np.sqrt(12 * np.size(steps)))


def test_gaussian_leaves_a_term_keyed_by_the_candidate():
    layout = small_layout()
    child = mutated(expert_genome(layout, "a"), number=8, method="Gaussian")
    assert child.noise == (Noise(candidate=8, stddev=0.0003, coefficient=1.0),)
    assert child.gain is None
    assert not child.linear


def test_child_svd_leaves_a_term_applied_last():
    child = mutated(expert_genome(small_layout(), "a"), number=8, method="ChildSVD", rank=2)
    assert child.child_svd == ChildSVD(candidate=8, max_scale=0.1, rank=2)


def test_none_changes_nothing():
    parent = expert_genome(small_layout(), "a")
    assert mutated(parent, method="None") is parent


def test_a_model_of_vectors_only_has_nothing_to_mutate():
    layout = small_layout(rank=0)
    child = mutated(expert_genome(layout, "a"))
    assert child.gain.shape == (3, 0)
    assert Genome.from_bytes(layout, child.to_bytes()).gain.shape == (3, 0)
