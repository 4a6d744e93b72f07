"""A completion is what the tokens add to the prompt: no tokenizer takes its indentation away."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.engines.prompts import Tokenizer

pytestmark = pytest.mark.runtime

WORDS = [
    "▁",
    "▁▁",
    "▁▁▁▁",
    "▁return",
    "return",
    "▁x",
    "x",
    "def",
    "▁f",
    "(x):",
    "\n",
    "é",
    "<0x0A>",
]


def save_sentencepiece_like(folder: Path) -> None:
    """A tokenizer that decodes as those of Llama 2 and Mistral do."""
    from tokenizers import Tokenizer as Raw
    from tokenizers import decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<s>": 0, "</s>": 1, "<unk>": 2}
    for word in WORDS:
        vocabulary[word] = len(vocabulary)
    raw = Raw(models.Unigram([(word, -float(place)) for word, place in vocabulary.items()], 2))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    raw.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1),
        ]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "llama"}')


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("sentencepiece")
    save_sentencepiece_like(folder)
    return Tokenizer(folder, 100)


def ids(tokenizer: Tokenizer, words: list[str]) -> list[int]:
    found: list[int] = tokenizer._tokenizer.convert_tokens_to_ids(words)
    return found


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["▁▁▁▁", "return", "▁x", "\n"], "    return x\n"),
        (["▁▁", "▁▁▁▁", "return"], "      return"),
        (["▁return", "▁x"], " return x"),
        (["return"], "return"),
        (["\n", "▁▁▁▁", "é"], "\n    é"),
        ([], ""),
    ],
)
def test_indentation(tokenizer: Tokenizer, words: list[str], text: str) -> None:
    (prompt,) = tokenizer.encode([Request("def f(x):\n", 9)])
    assert tokenizer.text(prompt, ids(tokenizer, words), ()) == text


def test_the_first_stop_string_ends_it(tokenizer: Tokenizer) -> None:
    (prompt,) = tokenizer.encode([Request("def f(x):\n", 9)])
    words = ids(tokenizer, ["▁▁▁▁", "x", "\n", "def", "▁f"])
    assert tokenizer.text(prompt, words, ("\nclass", "\ndef")) == "    x"


def test_a_prompt_of_special_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.text([0], ids(tokenizer, ["▁x"]), ()) == "x"
