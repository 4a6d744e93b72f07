"""What runs while a checkpoint is looked at: its tokenizer, its chat template, its expressions.

Each case turns a good checkpoint of `tests.checkpoints.family` into a hostile one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import torch
from safetensors.torch import save_file

from cycleqd.checkpoints.files import (
    ADAPTER_CONFIG_FILE,
    ADAPTER_FILE,
    CONFIG_FILE,
    GENERATION_FILE,
    TEMPLATE_FILE,
    TOKENIZER_CONFIG_FILE,
    TOKENIZER_FILE,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[[Path], None]

Role = Literal["base", "expert", "writer"]
"""What a checkpoint is in its run; the writer is an expert whose chat template a task uses."""

HONEST = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
MARK = "ran"
"""A file beside the checkpoint, which code of the checkpoint leaves when it is run."""
MODULE = "base_model.model.model.layers.0.self_attn.q_proj"
# Python's and Oniguruma's engines both try every way to split the text.
BACKTRACKING = "(([a-z0-9_. ]+)+)+!"


def edit_json(path: Path, **changes: Any) -> None:
    document = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(document | changes))


def adapter(*, rank: int = 4, **changes: Any) -> Make:
    """A LoRA adapter in the place of the checkpoint, with other settings."""

    def make(folder: Path) -> None:
        for path in list(folder.iterdir()):
            path.unlink()
        pair = {"A": torch.ones(rank, 64), "B": torch.ones(64, rank)}
        state = {f"{MODULE}.lora_{letter}.weight": tensor for letter, tensor in pair.items()}
        save_file(state, folder / ADAPTER_FILE, {"format": "pt"})
        good = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ".*0.*q_proj"}
        (folder / ADAPTER_CONFIG_FILE).write_text(json.dumps(good | changes))

    return make


def file(name: str, **changes: Any) -> Make:
    """Other fields in a file of the checkpoint."""
    return lambda folder: edit_json(folder / name, **changes)


def template(text: str) -> Make:
    def make(folder: Path) -> None:
        (folder / TEMPLATE_FILE).write_text(text)

    return make


def splitting(pattern: str) -> Make:
    """A tokenizer that splits texts by an expression."""
    rule = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return file(TOKENIZER_FILE, pre_tokenizer=rule)


def replacing(count: int) -> Make:
    """A tokenizer that makes each letter ten, so many times over."""
    rules = [{"type": "Replace", "pattern": {"Regex": "."}, "content": "aaaaaaaaaa"}] * count
    return file(TOKENIZER_FILE, normalizer={"type": "Sequence", "normalizers": rules})


def added(number: object) -> Make:
    """One more token, with a number of its own."""

    def make(folder: Path) -> None:
        path = folder / TOKENIZER_FILE
        tokens = json.loads(path.read_text())["added_tokens"]
        edit_json(path, added_tokens=[*tokens, {**tokens[0], "id": number, "content": "<|far|>"}])

    return make


def with_code(name: str, **changes: Any) -> Make:
    """A file that asks for a module of the checkpoint's own."""

    def make(folder: Path) -> None:
        mark = str(folder.parent / MARK)
        (folder / "own.py").write_text(f"open({mark!r}, 'w').close()\nclass Own: pass\n")
        edit_json(folder / name, **changes)

    return make


REFUSED: dict[str, tuple[Make, tuple[str, ...]]] = {
    "adapter: rank of a billion": (adapter(r=10**9), ("r: found 1000000000", "a rank")),
    "adapter: negative rank": (adapter(r=-4), ("r: found -4", "a rank")),
    "adapter: rank of a flag": (adapter(r=True), ("r: found True", "a rank")),
    "adapter: rank without end": (adapter(r=float("inf")), ("r: found inf", "a rank")),
    "adapter: alpha without end": (adapter(lora_alpha=float("inf")), ("lora_alpha", "a number")),
    "adapter: another rank than announced": (adapter(rank=8), ("found shape", "[4, 64]")),
    "adapter: backtracking rank_pattern": (
        adapter(rank_pattern={BACKTRACKING: 4}),
        ("takes more than", "of computing"),
    ),
    "adapter: backtracking target_modules": (
        adapter(target_modules=BACKTRACKING),
        ("takes more than", "of computing"),
    ),
    "adapter: backtracking layers_pattern": (
        adapter(target_modules=["q_proj"], layers_to_transform=[0], layers_pattern=[BACKTRACKING]),
        ("takes more than", "of computing"),
    ),
    "adapter: expression of a hundred thousand groups": (
        adapter(target_modules="(" * 100_000 + ")" * 100_000),
        ("target_modules", "a regular expression"),
    ),
    "adapter: expression repeated by the billion": (
        adapter(target_modules="(a{60000}){60000}"),
        ("target_modules",),
    ),
    "adapter: a million names": (
        adapter(target_modules=[f"m{number}" for number in range(1_000_000)]),
        ("target_modules", "q_proj"),
    ),
    "adapter: alpha by the thousand patterns": (
        adapter(alpha_pattern={f"m{number}": 1 for number in range(1_000)}),
        ("alpha_pattern", "matches no module"),
    ),
    "tokenizer: ids beyond 32 bits": (added(1 << 40), ("tokenizer.json",)),
    "tokenizer: negative id": (added(-1), ("tokenizer.json", "a token's number")),
    "tokenizer: id of a flag": (added(True), ("tokenizer.json", "a token's number")),
}
"""Refused wherever such a checkpoint stands."""

TEMPLATES: dict[str, tuple[str, tuple[str, ...]]] = {
    "loops in loops": (
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        ("takes more than", "of computing"),
    ),
    "text of ten gigabytes": ("{{ 'aaaaaaaaaa' * 1000000000 }}", ("memory",)),
    "text that doubles": (
        "{% set n = namespace(x='a') %}{% for a in range(50) %}{% set n.x = n.x * 2 %}{% endfor %}",
        ("memory",),
    ),
    "number that squares": (
        "{% set n = namespace(x=9) %}{% for a in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
        ("takes more than", "of computing"),
    ),
    "macro that calls itself": (
        "{% macro m(x) %}{{ m(x) }}{{ m(x) }}{% endmacro %}{{ m(1) }}",
        ("chat template fails",),
    ),
    "attributes": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", ("chat template fails",)),
    "globals of a function": (
        "{{ raise_exception.__globals__['os'].system('id') }}",
        ("chat template fails",),
    ),
    "format that looks inside": ("{{ '{0.__class__}'.format(messages) }}", ("has no token",)),
    "width of a billion": ("{{ '%9999999999d' % 1 }}", ("memory",)),
    "deep nesting": ("{% if true %}" * 3000 + "{% endif %}" * 3000, ("chat template fails",)),
    "open block": ("{% for a in b", ("chat template fails",)),
    "another file": ("{% include '/etc/passwd' %}", ("chat template fails",)),
}
"""Programs of their writer; refused where a run uses them, with parts of the message."""

TOKENIZERS: dict[str, tuple[Make, Role]] = {
    "tokenizer: backtracking split": (splitting(BACKTRACKING), "base"),
    "tokenizer: backtracking split of its own": (splitting(BACKTRACKING), "expert"),
    "tokenizer: look behind": (splitting("(?<=(a+)+)b(?!(c+)+)"), "expert"),
    "tokenizer: expression that is none": (splitting("((("), "base"),
    "tokenizer: ten letters for each, eleven times": (replacing(11), "base"),
    "tokenizer: type that is none": (file(TOKENIZER_FILE, normalizer={"type": "Evil"}), "base"),
    "tokenizer: nonsense behind it": (
        file(TOKENIZER_FILE, post_processor={"type": "BertProcessing"}),
        "expert",
    ),
    "tokenizer: class that is none": (
        file(TOKENIZER_CONFIG_FILE, tokenizer_class="os.system"),
        "base",
    ),
    "tokenizer: class of numbers": (file(TOKENIZER_CONFIG_FILE, tokenizer_class=7), "base"),
    "tokenizer: template of numbers": (file(TOKENIZER_CONFIG_FILE, chat_template=7), "expert"),
    "tokenizer: special tokens of lists": (
        file(TOKENIZER_CONFIG_FILE, bos_token=[[["<s>"]]]),
        "base",
    ),
    "tokenizer: padding by the billion": (
        file(
            TOKENIZER_FILE,
            padding={
                "strategy": {"Fixed": 10**9},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "<unk>",
            },
        ),
        "base",
    ),
    "tokenizer: code of its own": (
        with_code(
            TOKENIZER_CONFIG_FILE,
            auto_map={"AutoTokenizer": ["own.Own", None]},
            tokenizer_class="Own",
        ),
        "base",
    ),
    "tokenizer: code of another repository": (
        file(TOKENIZER_CONFIG_FILE, auto_map={"AutoTokenizer": ["evil/repo--own.Own", None]}),
        "expert",
    ),
}
"""Tokenizers that are none, compute without end or bring code, and where they stand."""

CONFIGURATIONS: dict[str, tuple[Make, Role]] = {
    "configuration: model of its own code": (
        with_code(
            CONFIG_FILE, auto_map={"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}
        ),
        "base",
    ),
    "configuration: kind of its own code": (
        with_code(CONFIG_FILE, model_type="evil", auto_map={"AutoConfig": "own.Own"}),
        "base",
    ),
    "configuration: width of a billion": (file(CONFIG_FILE, intermediate_size=10**9), "base"),
    "configuration: positions by the trillion": (
        file(CONFIG_FILE, max_position_embeddings=10**12),
        "base",
    ),
    "configuration: labels by the million": (file(CONFIG_FILE, num_labels=10**7), "base"),
    "generation: lengths by the trillion": (
        file(GENERATION_FILE, max_new_tokens=10**12, stop_strings=["a"] * 1000),
        "base",
    ),
    "generation: nonsense": (file(GENERATION_FILE, temperature={"a": []}, top_k="x"), "base"),
    "generation: end tokens by the million": (
        file(GENERATION_FILE, eos_token_id=list(range(1_000_000))),
        "expert",
    ),
}
"""Settings that bring code or ask for what no machine has, and where they stand."""
