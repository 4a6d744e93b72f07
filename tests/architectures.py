"""The architectures that are tried, and what each engine makes of them; imports no library.

The table in the documents is made of this (`table`), and the tests with real engines hold it to
what happens: `test_architectures_are_swapped_exactly.py`, `test_vllm_serves_architectures.py`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

_MIXTURE = "swaps the experts of a mixture wrongly"
_STATES = "keeps states that are not emptied between two candidates"


@dataclass(frozen=True)
class Architecture:
    """What is said of an architecture.

    Attributes:
        models: that have it.
        what: is special in its checkpoints.
        not_for_vllm: why vLLM is refused, in the words of `Skeleton.not_for_vllm`.
        each_time: whether vLLM is tried with it whenever its tests run; else where a variable asks.
    """

    models: str
    what: str
    not_for_vllm: str | None = None
    each_time: bool = False


ARCHITECTURES = {
    "LlamaForCausalLM": Architecture(
        "Llama, SmolLM2", "plain, the head tied or not", each_time=True
    ),
    "MistralForCausalLM": Architecture("Mistral", "as a Llama's"),
    "Qwen2ForCausalLM": Architecture("Qwen2, Qwen2.5", "biases of queries, keys and values"),
    "Qwen3ForCausalLM": Architecture("Qwen3", "norms of queries and keys"),
    "Gemma2ForCausalLM": Architecture("Gemma 2", "sliding windows, caps, scaled embeddings"),
    "Gemma3ForCausalLM": Architecture(
        "Gemma 3, text alone", "sliding windows, two rotary bases", each_time=True
    ),
    "Gemma3ForConditionalGeneration": Architecture(
        "Gemma 3 with images",
        "names inside `language_model`",
        "opens images and sound too, and needs what processes them",
    ),
    "Phi3ForCausalLM": Architecture("Phi-3, Phi-4", "fused matrices", each_time=True),
    "GPT2LMHeadModel": Architecture(
        "GPT-2", "transposed and fused matrices, learned positions", each_time=True
    ),
    "GPTNeoXForCausalLM": Architecture(
        "GPT-NeoX, Pythia", "fused matrices, a head of another name"
    ),
    "Olmo2ForCausalLM": Architecture("OLMo-2", "norms after the layers"),
    "Lfm2ForCausalLM": Architecture("LFM2", "a hybrid of convolutions and attention", _STATES),
    "MixtralForCausalLM": Architecture("Mixtral", "a mixture of experts", _MIXTURE),
    "Qwen3MoeForCausalLM": Architecture("Qwen3-MoE", "a mixture of experts", _MIXTURE),
    "Mamba2ForCausalLM": Architecture("Mamba-2", "states, no attention", _STATES),
}
"""By name of the model's class."""


def for_vllm() -> list[str]:
    """Those to try vLLM with now; Llamas have tests of their own (`test_vllm_engine.py`).

    `CYCLEQD_TEST_EVERY_ARCHITECTURE=1` makes it all of them, not one of each kind.
    """
    every = bool(os.environ.get("CYCLEQD_TEST_EVERY_ARCHITECTURE"))
    return [
        name
        for name, said in ARCHITECTURES.items()
        if said.not_for_vllm is None and (every or (said.each_time and name != "LlamaForCausalLM"))
    ]


def table() -> list[str]:
    """The lines of the table in the documents."""
    lines = [
        "| architecture | models | its checkpoints | transformers | vllm |",
        "|---|---|---|---|---|",
    ]
    for name, said in ARCHITECTURES.items():
        works = "works" if said.each_time else "works (by hand)"
        vllm = works if said.not_for_vllm is None else f"refused: it {said.not_for_vllm}"
        lines.append(f"| `{name}` | {said.models} | {said.what} | works | {vllm} |")
    return lines
