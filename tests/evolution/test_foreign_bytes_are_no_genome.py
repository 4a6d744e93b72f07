"""Whatever bytes are read, the answer is a genome of this layout or a ValueError."""

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from cycleqd.evolution.genome import FORMAT, Genome, expert_genome
from tests.evolution.dense import small_layout
from tests.evolution.genomes import everything

LAYOUT = small_layout()
GOOD = everything().to_bytes()
TENSORS = {"scale": np.zeros((3, 5), np.float32)}
TERMS = {"format": FORMAT, "noise": [], "dense": [], "childSVD": None}


def refused(data):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any message, but no other error
        Genome.from_bytes(LAYOUT, data)
    return str(caught.value)


def with_header(length, header=b"{}"):
    return length.to_bytes(8, "little") + header


def genome_file(tensors=None, **changes):
    document = {k: v for k, v in {**TERMS, **changes}.items() if v != "absent"}
    return save(TENSORS if tensors is None else tensors, {"genome": json.dumps(document)})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0" * 8,
        b"garbage that is long enough to have a header",
        b"PK\x03\x04 a zip file, or a pickled torch checkpoint in one",
        with_header(2**64 - 1),
        with_header(2**63),
        with_header(10**9),
        with_header(2),
        with_header(2, b"[]"),
        with_header(2, b"\xff\xff"),
        with_header(100_000, b"[" * 100_000),
    ],
    ids=range(12),
)
def test_what_is_no_safetensors_file(data):
    refused(data)


def test_a_file_cut_anywhere():
    for length in range(len(GOOD)):
        refused(GOOD[:length])
    refused(GOOD + b"\0")


@pytest.mark.parametrize(
    "data",
    [
        save(TENSORS),
        save(TENSORS, {"other": "x"}),
        save(TENSORS, {"genome": "not json"}),
        save(TENSORS, {"genome": "[]"}),
        save(TENSORS, {"genome": "[" * 100_000}),
        genome_file(format="cycleqd-genome/2"),
        genome_file(format="absent"),
        genome_file(noise="absent"),
        genome_file(dense=3),
        genome_file(noise=[[1, 2]]),
        genome_file(noise=[[None, 0.1, 1.0]]),
        genome_file(noise=[["x", 0.1, 1.0]]),
        genome_file(childSVD=[1]),
        genome_file(childSVD={"candidate": 1}),
        genome_file({}),
        genome_file({"gain": np.zeros((3, 10), np.float32)}),
        genome_file({**TENSORS, "more": np.zeros(3, np.float32)}),
        genome_file({"scale": np.zeros((3, 5), np.float64)}),
        genome_file({"scale": np.zeros((3, 4), np.float32)}),
        genome_file({"scale": np.zeros((5, 3), np.float32)}),
        genome_file({**TENSORS, "gain": np.zeros((3, 9), np.float32)}),
        genome_file({**TENSORS, "gain": np.zeros((3, 10), np.float16)}),
        genome_file({"scale": np.full((3, 5), np.nan, np.float32)}),
        genome_file({**TENSORS, "gain": np.full((3, 10), np.inf, np.float32)}),
    ],
    ids=range(24),
)
def test_what_is_a_safetensors_file_but_no_genome_of_this_layout(data):
    refused(data)


def test_the_files_of_these_tests_are_otherwise_right():
    assert Genome.from_bytes(LAYOUT, genome_file()).gain is None


def test_messages_name_the_cause():
    assert "cycleqd-genome/2" in refused(genome_file(format="cycleqd-genome/2"))
    assert "(3, 5)" in refused(genome_file({"scale": np.zeros((3, 4), np.float32)}))
    assert "more" in refused(genome_file({**TENSORS, "more": np.zeros(3, np.float32)}))
    assert "not finite" in refused(genome_file({"scale": np.full((3, 5), np.nan, np.float32)}))


@given(st.binary(max_size=300))
def test_any_bytes(data):
    refused(data)


def test_any_changed_byte_of_the_header_is_refused_or_harmless():
    header = 8 + int.from_bytes(GOOD[:8], "little")
    chance = random.Random(5)
    for place in range(header):
        changed = bytearray(GOOD)
        changed[place] ^= chance.randrange(1, 256)
        try:
            Genome.from_bytes(LAYOUT, bytes(changed))
        except ValueError:
            continue


@pytest.mark.parametrize("shape", [(3, 4), (2, 5), (5, 3), (15,)])
def test_wrong_shapes_are_refused_at_the_door(shape):
    with pytest.raises(ValueError, match=r"scale must be float32 of shape .*\(3, 5\)"):
        Genome(LAYOUT, np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=r"gain must be float32 of shape .*\(3, 10\)"):
        Genome(LAYOUT, TENSORS["scale"], np.zeros(shape, np.float32))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, ">f4"])
def test_wrong_types_are_refused_at_the_door(dtype):
    with pytest.raises(ValueError, match="scale must be float32"):
        Genome(LAYOUT, np.zeros((3, 5), dtype))
    with pytest.raises(ValueError, match="gain must be float32"):
        Genome(LAYOUT, TENSORS["scale"], np.zeros((3, 10), dtype))


def test_unknown_experts_are_key_errors():
    with pytest.raises(KeyError, match="nobody"):
        expert_genome(LAYOUT, "nobody")
