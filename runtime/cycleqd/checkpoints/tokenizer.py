"""What a ``tokenizer.json`` of the tokenizers library makes of text: ids and merge rules. No torch.

Of the whole document only that is read: which token has which id, since a row of the embeddings
must mean the same token in every checkpoint, and which pairs are merged in which order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.files import read_json
from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Vocabulary:
    """The meaning of token ids.

    Attributes:
        ids: by token, those that were added included.
        merges: pairs of tokens, first rule first; none but for BPE.
    """

    ids: dict[str, int]
    merges: tuple[tuple[str, ...], ...]


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary in a ``tokenizer.json``.

    Raises:
        CheckpointError: the file cannot be read, or holds no tokenizer.
    """
    document = read_json(path)
    try:
        model = _mapping(document, "model")
        ids = dict(_tokens(model.get("vocab")))
        ids.update(_added(document.get("added_tokens") or []))
        return Vocabulary(ids, tuple(_merges(model.get("merges") or [])))
    except ValueError as error:
        raise CheckpointError(
            f"{path}: not a tokenizer of the tokenizers library: {error}; save it again"
        ) from error


def _mapping(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise _wrong(name, value, "an object")
    return value


def _tokens(vocabulary: object) -> Iterator[tuple[str, int]]:
    if isinstance(vocabulary, dict):
        for token, number in vocabulary.items():
            yield token, _id(number, f"model.vocab of {quoted(token)}")
    elif isinstance(vocabulary, list):
        # Unigram models list [piece, score] pairs, the others map tokens to ids.
        for number, pair in enumerate(vocabulary):
            if not isinstance(pair, list) or not pair or not isinstance(pair[0], str):
                raise _wrong("model.vocab", pair, "[piece, score]")
            yield pair[0], number
    else:
        raise _wrong("model.vocab", vocabulary, "tokens and their ids")


def _added(tokens: object) -> Iterator[tuple[str, int]]:
    for token in _list(tokens, "added_tokens"):
        if not isinstance(token, dict) or not isinstance(token.get("content"), str):
            raise _wrong("added_tokens", token, "a token's content and id")
        yield token["content"], _id(token.get("id"), f"added_tokens {quoted(token['content'])}")


def _merges(rules: object) -> Iterator[tuple[str, ...]]:
    for rule in _list(rules, "model.merges"):
        # Written as "a b" by older versions, as ["a", "b"] by newer ones.
        pair = rule.split(" ") if isinstance(rule, str) else rule
        if not isinstance(pair, list) or not all(isinstance(part, str) for part in pair):
            raise _wrong("model.merges", rule, "a pair of tokens")
        yield tuple(pair)


def _list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(name, value, "a list")
    return value


def _id(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _wrong(name, value, "a token's number")
    return value


def _wrong(name: str, value: object, expected: str) -> ValueError:
    return ValueError(f"{name}: found {quoted(value)}, expected {expected}")
