"""Whether experts say in a run what their own checkpoints say when they are opened plainly.

A run puts an expert's weights into the base's model and asks it in the words of the base's
tokenizer and chat template. What is known to go wrong there is refused or told from files alone
(`engines.settings`, `prompts_fit`). This looks at what comes of it, whatever the cause: the library
opens the expert's own folder, and what it expects as the next token after a few prompts is compared
with what it expects in the run's way. That is one forward pass a prompt; nothing is generated, and
an expert with the base's configuration and words is not even opened.

One model is in memory at a time, and never on a GPU, which belongs to the workers.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from cycleqd.checkpoints.files import CONFIG_FILE, TOKENIZER_FILE, kind_of, read_json
from cycleqd.errors import CheckpointError, EngineError
from cycleqd.evaluation.chat import ChatFormat, template_of
from cycleqd.evaluation.engines.placement import Placement
from cycleqd.evaluation.engines.prompts import Tokenizer
from cycleqd.evaluation.engines.reference import ask, disagreement, memory_lacking, next_scores
from cycleqd.evaluation.engines.skeleton import read_skeleton
from cycleqd.evaluation.engines.weights import checked
from cycleqd.evaluation.processor import facts, has_bfloat16
from cycleqd.evaluation.prompts_fit import Sample

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.checkpoints.header import CheckpointHeader

_FAVOURITES = 8
# In standard deviations of the scores, see `disagreement`. With SmolLM2 a first token or a space
# more made 0.1 to 0.2, a system message less 0.1 to 0.4, a template of another kind about 3.
_FAR = 0.3
# Of all tasks together, but one of each at least.
_PROMPTS = 3
_TOKENIZER_FILES = (TOKENIZER_FILE, "tokenizer_config.json")
# Settings that say nothing of what a model computes.
_SILENT = {
    "_name_or_path", "architectures", "bos_token_id", "dtype", "eos_token_id", "pad_token_id",
    "torch_dtype", "transformers_version", "unsloth_fixed", "unsloth_version", "use_cache",
}  # fmt: skip


@dataclass(frozen=True)
class OwnCheckpoint:
    """A full expert.

    Attributes:
        header: what its own folder says.
        tensors: its weights under the base's names; read once.
    """

    header: CheckpointHeader
    tensors: Iterable[tuple[str, torch.Tensor]]


@dataclass(frozen=True)
class _Prompt:
    """A prompt in tokens.

    Attributes:
        task: whose it is.
        asked: as the run asks it.
        own: as the expert's own folder would have it.
        template: whether the chat template writes it in another way there.
    """

    task: str
    asked: list[int]
    own: list[int]
    template: bool


def differences(
    base: CheckpointHeader, experts: Mapping[str, OwnCheckpoint], samples: Sequence[Sample]
) -> Iterator[str]:
    """Say which experts are far from their own checkpoints after the prompts of every task.

    Args:
        base: the base model.
        experts: by name.
        samples: some prompts of each task, with the run's chat format.

    Yields:
        A sentence for each such expert, one before they are opened, which may take a while, and one
        where there is nothing to compare with.
    """
    words = Tokenizer(base.folder, 0)
    asked = {}
    for name, expert in experts.items():
        prompts = _prompts(words, expert.header.folder, samples)
        if not _is_the_same(base, expert.header, prompts):
            asked[name] = prompts
    if not asked:
        return
    dtype = "bfloat16" if has_bfloat16(facts()) else "float32"
    elements = sum(math.prod(tensor.shape) for tensor in base.tensors)
    if (lacking := memory_lacking(elements * getattr(torch, dtype).itemsize)) is not None:
        yield f"experts are not compared with their own checkpoints: that takes {lacking}"
        return
    yield f"opening experts as their own folders have them, to compare: {', '.join(asked)}"
    plain: dict[str, list[torch.Tensor]] = {}
    for name, prompts in asked.items():
        try:
            plain[name] = _own_scores(base, experts[name].header, prompts, dtype)
        except (CheckpointError, EngineError) as error:
            yield f"expert {name} is not compared with its own checkpoint: {_line(error)}"
    try:
        yield from ask(base, dtype, partial(_swapped, base, experts, asked, plain))
    except EngineError as error:  # workers find out whether it matters
        yield f"experts are not compared with their own checkpoints: {_line(error)}"


def _own_scores(
    base: CheckpointHeader, own: CheckpointHeader, prompts: Sequence[_Prompt], dtype: str
) -> list[torch.Tensor]:
    """What an expert's own checkpoint says after prompts in its own words."""
    if own.by_name.keys() != base.by_name.keys():
        read_skeleton(own)  # the library would draw at random what it misses
    return ask(own, dtype, partial(_after, [prompt.own for prompt in prompts]))


def _swapped(
    base: CheckpointHeader,
    experts: Mapping[str, OwnCheckpoint],
    asked: Mapping[str, Sequence[_Prompt]],
    plain: Mapping[str, Sequence[torch.Tensor]],
    model: Any,  # noqa: ANN401 - transformers has no types
) -> list[str]:
    """What is to be said of experts, swapped into the base's model one by one."""
    shapes = {tensor.name: tensor.shape for tensor in base.tensors}
    placement = Placement(model, shapes)
    lines = []
    for name, reference in plain.items():
        placement.put(checked(experts[name].tensors, shapes))
        own = experts[name].header.folder
        if (found := _compare(model, asked[name], reference, base.folder, own)) is not None:
            lines.append(f"expert {name}: {found}")
    return lines


def _is_the_same(base: CheckpointHeader, own: CheckpointHeader, prompts: Sequence[_Prompt]) -> bool:
    """Whether nothing but the weights tells an expert's own model and words from the base's."""
    return (
        all(prompt.own == prompt.asked for prompt in prompts)
        and own.by_name.keys() == base.by_name.keys()
        and not _differing_settings(base.folder, own.folder)
    )


def _prompts(words: Tokenizer, folder: Path, samples: Sequence[Sample]) -> list[_Prompt]:
    """The shortest prompts of each task, in both ways."""
    own = words
    chat: ChatFormat | None = None
    try:
        if any(kind_of(folder / name) is not None for name in _TOKENIZER_FILES):
            own = Tokenizer(folder, 0)
        if any(sample.wrap for sample in samples) and template_of(folder) is not None:
            chat = ChatFormat(folder)
    except (CheckpointError, EngineError):  # nobody uses it
        pass
    found: list[_Prompt] = []
    count = math.ceil(_PROMPTS / len(samples))
    for sample in samples:
        wrap = sample.wrap
        if wrap is not None and chat is not None:
            wrap = partial(chat.wrap, system=sample.system)
        prompts = []
        for text in sample.prompts:
            asked = by_itself = _wrapped(text, sample.wrap)
            with suppress(CheckpointError):  # its template fails, and nobody uses it
                by_itself = _wrapped(text, wrap)
            tokens = words.tokens(asked), own.tokens(by_itself)
            prompts.append(_Prompt(sample.task, *tokens, template=asked != by_itself))
        found += sorted(prompts, key=lambda prompt: len(prompt.asked))[:count]
    return found


def _after(prompts: Sequence[Sequence[int]], model: Any) -> list[torch.Tensor]:  # noqa: ANN401 - transformers has no types
    return [next_scores(model, prompt) for prompt in prompts]


def _compare(
    model: Any,  # noqa: ANN401 - transformers has no types
    prompts: Sequence[_Prompt],
    reference: Sequence[torch.Tensor],
    base: Path,
    expert: Path,
) -> str | None:
    """What is to be said of an expert whose weights the base's model holds.

    Args:
        model: that one.
        prompts: what is asked.
        reference: what its own checkpoint says.
        base: the base's folder.
        expert: the expert's.
    """
    tasks = [prompt.task for prompt in prompts]
    apart = _closest(tasks, reference, _after([prompt.asked for prompt in prompts], model))
    if apart <= _FAR:
        return None
    by_words = _closest(tasks, reference, _after([prompt.own for prompt in prompts], model)) <= _FAR
    if by_words:
        what = "chat template" if any(prompt.template for prompt in prompts) else "tokenizer"
        cause = (
            f"its {what} writes prompts in other tokens, after which it would agree: take an "
            f"expert that was fine-tuned with the {what} of {base}, or, where all experts share "
            "this one, give it to a copy of the base"
        )
    else:
        names = _differing_settings(base, expert)
        more = f" (unlike the base's in {', '.join(names)})" if names else ""
        cause = f"see whether {expert / CONFIG_FILE}{more} is what its weights were trained with"
    return (
        "after the prompts of every task its own checkpoint, opened plainly, expects other tokens "
        f"than it does in this run ({apart:.1f} standard deviations of the scores apart, or more), "
        f"so it may score less than by itself; {cause}"
    )


def _differing_settings(base: Path, expert: Path) -> list[str]:
    """Names in ``config.json`` that may say what a model computes, and say it in other words."""
    ours, theirs = read_json(base / CONFIG_FILE), read_json(expert / CONFIG_FILE)
    names = (ours.keys() | theirs.keys()) - _SILENT
    return sorted(name for name in names if ours.get(name) != theirs.get(name))


def _closest(
    tasks: Sequence[str], reference: Sequence[torch.Tensor], found: Sequence[torch.Tensor]
) -> float:
    """How far scores are apart, in the task where they are nearest.

    Args:
        tasks: of each prompt.
        reference: scores by the own checkpoint.
        found: scores in the run.
    """
    distances: dict[str, list[float]] = {}
    for task, expected, scores in zip(tasks, reference, found, strict=True):
        distances.setdefault(task, []).append(_distance(scores, expected))
    return min(map(statistics.median, distances.values()))


def _distance(found: torch.Tensor, reference: torch.Tensor) -> float:
    """`disagreement` about what the own checkpoint expects most; 0 where that says nothing."""
    if not bool(reference.isfinite().all()):
        return 0.0
    favourites = reference[: len(found)].topk(min(_FAVOURITES, len(found))).indices.tolist()
    scores = found[favourites]
    if not bool(scores.isfinite().all()):
        return math.inf
    return disagreement(dict(zip(favourites, scores.tolist(), strict=True)), reference)


def _wrapped(prompt: str, wrap: Callable[[str], str] | None) -> str:
    return prompt if wrap is None else wrap(prompt)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
