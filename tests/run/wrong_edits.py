"""Wrong edits of a living run, each with the field that is named and what is said of it.

They are of the run that `tests.run.test_wrong_edits_leave_a_run_as_it_was` makes, in its folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.checkpoints import (
    WORDS,
    fine_tuned,
    llama_config,
    random_state,
    write_checkpoint,
    write_tokenizer,
)
from tests.run.synthetic import ITEMS
from tests.weights.damage import edit_config, edit_state

NEW = "shell"
COMMITTED = 5
"""The last generation; two more are planned, so newcomers join in the fourth after it."""

GENERATIONS = 9
"""In the stored manifest, so that nobody can join without more."""

Spec = dict[str, Any]
Edit = Callable[[Spec], object]


def write_items(name: str, prompts: list[str]) -> str:
    rows = [{"id": f"{n}", "prompt": p, "answer": "a"} for n, p in enumerate(prompts)]
    Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return name


def prompts_of(name: str) -> list[str]:
    return [json.loads(line)["prompt"] for line in Path(name).read_text().splitlines()]


def expert(name: str = NEW, uri: str = f"models/{NEW}") -> Spec:
    return {"name": name, "uri": uri}


def task(name: str = NEW, **items: str) -> Spec:
    files = {"search": f"{NEW}.search.jsonl", "test": f"{NEW}.test.jsonl", **items}
    return {"name": name, "type": "exact", "items": files}


def copied(name: str, folder: str = NEW) -> Path:
    target = Path("models") / name
    shutil.copytree(Path("models") / folder, target)
    return target


# Experts


def another_architecture(spec: Spec) -> None:
    edit_config(copied("other"), architectures=["MistralForCausalLM"], model_type="mistral")
    spec["experts"].append(expert(uri="models/other"))


def another_shape(spec: Spec) -> None:
    config = llama_config(hidden=96, heads=3)
    state = fine_tuned(random_state(config, seed=7), 8)
    write_checkpoint(Path("models/wider"), config, state)
    spec["experts"].append(expert(uri="models/wider"))


def more_rows(spec: Spec) -> None:
    config = llama_config(vocab=56)
    write_checkpoint(Path("models/rows"), config, fine_tuned(random_state(config, seed=0), 8))
    spec["experts"].append(expert(uri="models/rows"))


def another_tokenizer(spec: Spec) -> None:
    write_tokenizer(copied("words"), [*WORDS[:3], *WORDS[:2:-1]])
    spec["experts"].append(expert(uri="models/words"))


def not_finite(spec: Spec) -> None:
    def spoil(state: dict[str, torch.Tensor]) -> None:
        next(iter(state.values())).view(-1)[0] = torch.nan

    edit_state(copied("nan"), spoil)
    spec["experts"].append(expert(uri="models/nan"))


def missing_checkpoint(spec: Spec) -> None:
    spec["experts"].append(expert(uri="models/nowhere"))


def the_base_again(spec: Spec) -> None:
    spec["experts"].append(expert(uri="models/base"))


def duplicate_name(spec: Spec) -> None:
    spec["experts"].append(expert("sql"))


def duplicate_checkpoint(spec: Spec) -> None:
    spec["experts"].append(expert(uri="models/sql"))


def reserved_name(spec: Spec) -> None:
    spec["experts"].append(expert("base"))


def no_member(spec: Spec) -> None:
    spec["experts"].append({"name": NEW, "member": "c999999"})


def member_and_uri(spec: Spec) -> None:
    spec["experts"].append({**expert(), "member": "c000000"})


def no_source(spec: Spec) -> None:
    spec["experts"].append({"name": NEW})


def removed_expert(spec: Spec) -> None:
    spec["experts"].pop()


def reordered_experts(spec: Spec) -> None:
    spec["experts"].reverse()


def expert_in_the_middle(spec: Spec) -> None:
    spec["experts"].insert(1, expert())


def changed_expert(spec: Spec) -> None:
    spec["experts"][1]["uri"] = f"models/{NEW}"


def changed_base(spec: Spec) -> None:
    spec["base"]["uri"] = f"models/{NEW}"


def changed_weights_of_the_base(spec: Spec) -> None:
    def move(state: dict[str, torch.Tensor]) -> None:
        state.update({name: tensor + 1.0 for name, tensor in state.items()})

    edit_state(Path("models/base"), move)
    spec["experts"].append(expert())


# Tasks and items


def search_items_held_out(spec: Spec) -> None:
    shared = write_items("mixed.jsonl", ["unseen", *prompts_of(f"{NEW}.search.jsonl")[:2]])
    spec["tasks"].append(task(test=shared))


def one_file_for_both(spec: Spec) -> None:
    spec["tasks"].append(task(test=f"{NEW}.search.jsonl"))


def held_out_items_of_another_task(spec: Spec) -> None:
    spec["tasks"].append(task(search="sql.test.jsonl"))


def copied_held_out_items(spec: Spec) -> None:
    spec["tasks"].append(task(search=write_items("copy.jsonl", prompts_of("sql.test.jsonl"))))


def searched_before(spec: Spec) -> None:
    earlier = prompts_of("python.search.jsonl")[:3]
    spec["tasks"][1]["items"]["test"] = write_items("held-out.jsonl", ["unseen", *earlier])


def taught_before(spec: Spec) -> None:
    earlier = prompts_of("python.search.jsonl")[:3]
    spec["tasks"][1]["items"]["search"] = write_items("again.jsonl", ["fresh", *earlier])


def held_out_items_were_searched_on_elsewhere(spec: Spec) -> None:
    earlier = prompts_of("python.search.jsonl")[:3]  # replaced since by others
    spec["tasks"].append(task(test=write_items("elsewhere.jsonl", ["unseen", *earlier])))


def missing_items(spec: Spec) -> None:
    spec["tasks"].append(task(search="nowhere.jsonl"))


def empty_items(spec: Spec) -> None:
    spec["tasks"].append(task(test=write_items("empty.jsonl", [])))


def malformed_items(spec: Spec) -> None:
    Path("broken.jsonl").write_text('{"id": "1", "prompt": "a", "answer": "b"}\n{"id": \n')
    spec["tasks"].append(task(search="broken.jsonl"))


def items_without_an_answer(spec: Spec) -> None:
    Path("open.jsonl").write_text('{"id": "1", "prompt": "a cat"}\n')
    spec["tasks"].append(task(search="open.jsonl"))


def too_long_items(spec: Spec) -> None:
    spec["tasks"][0]["items"]["search"] = write_items("long.jsonl", ["cat " * 600])


def removed_task(spec: Spec) -> None:
    spec["tasks"].pop()


def changed_type(spec: Spec) -> None:
    spec["tasks"][1]["type"] = "number"


def task_of_nobody(spec: Spec) -> None:
    spec["tasks"].append({**task(), "expert": "perl"})


def changed_skill(spec: Spec) -> None:
    spec["tasks"][0]["expert"] = "python"


def no_chat_template(spec: Spec) -> None:
    spec["tasks"].append({**task(), "chat": True})


# The search


def set_evolution(**fields: object) -> Edit:
    return lambda spec: spec["evolution"].update(fields)


def changed_hold_out(spec: Spec) -> None:
    spec["evolution"]["tune"]["holdOutShare"] = "0.5"


def no_generation_left(spec: Spec) -> None:
    spec["tasks"].append(task())
    spec["evolution"]["generations"] = GENERATIONS


def step_in_a_planned_generation(spec: Spec) -> None:
    spec["tasks"].append(task())
    spec["curriculum"] = [{"generation": COMMITTED + 2, "tasks": [NEW]}]


def step_of_nobody(spec: Spec) -> None:
    spec["curriculum"] = [{"generation": COMMITTED + 4, "experts": ["perl"]}]


def step_of_somebody_who_is_there(spec: Spec) -> None:
    spec["curriculum"] = [{"generation": COMMITTED + 4, "experts": ["python"]}]


def misspelt(spec: Spec) -> None:
    spec["expert"] = [expert()]


STORED = r"the run in the store has .*; restore the value, or choose another --store"
ORDER = (
    r"the run in the store has .*; restore the \w+ of the run in their order and append new ones"
)
FINE_TUNE = r"an expert must be a fine-tune of models/base"
OTHERS_ELSE = r"held-out items must be unseen by all tasks: take other ones"

EDITS: list[tuple[Edit, str, str]] = [
    (another_architecture, "experts[2].uri", rf"architectures: found .*Mistral.*; {FINE_TUNE}"),
    (another_shape, "experts[2].uri", rf"hidden_size: found 96, the base has 64; {FINE_TUNE}"),
    (more_rows, "experts[2].uri", r"vocab_size: found 56.*; write `vocabulary: Base`"),
    (another_tokenizer, "experts[2].uri", r"token 'a': .*; fine-tune with the base's tokenizer"),
    (not_finite, "experts[2].uri", r"found nan .*; .* use another checkpoint"),
    (missing_checkpoint, "experts[2].uri", r"no such folder; paths start from the working"),
    (the_base_again, "experts[2].uri", r"is the base model itself, .*; name a fine-tuned"),
    (duplicate_name, "experts[2].name", r"is also the name of .*; give each .* its own name"),
    (duplicate_checkpoint, "experts[2].uri", r"is also spec.experts\[0\].uri; name another"),
    (reserved_name, "experts[2].name", r"is a row of the final table .*; choose another name"),
    (no_member, "experts[2].member", r"is in no archive .*; `cycleqd list .*` prints the members"),
    (member_and_uri, "experts[2].member", r"stands beside uri; keep one of the two"),
    (no_source, "experts[2].uri", r"is missing; add the expert's checkpoint, or `member`"),
    (removed_expert, "experts[1].name", ORDER),
    (reordered_experts, "experts[0].name", ORDER),
    (expert_in_the_middle, "experts[1].name", ORDER),
    (changed_expert, "experts[1].uri", STORED),
    (changed_base, "base.uri", STORED),
    (changed_weights_of_the_base, "base.uri", r"is not the base that the run .*; restore it"),
    (search_items_held_out, "tasks[2].items", r"share 2 prompts, .*: remove them from one"),
    (one_file_for_both, "tasks[2].items.test", r"is also .*: split the items into two files"),
    (held_out_items_of_another_task, "tasks[0].items.test", r"is also .*: split the items into"),
    (
        copied_held_out_items,
        "tasks[2].items.search",
        rf"{ITEMS} of these items are held out by task sql, .*; {OTHERS_ELSE}",
    ),
    (
        held_out_items_were_searched_on_elsewhere,
        "tasks[2].items.test",
        rf"task python has searched on 3 of these items, .*; {OTHERS_ELSE}",
    ),
    (searched_before, "tasks[1].items.test", r"the search has used 3 .*: take other ones"),
    (taught_before, "tasks[1].items.search", r"3 of the new items were among .*: append new items"),
    (missing_items, "tasks[2].items.search", r"nowhere.jsonl: no such file; paths start from"),
    (empty_items, "tasks[2].items.test", r"empty.jsonl: holds no item; write"),
    (malformed_items, "tasks[2].items.search", r"broken.jsonl:2: "),
    (items_without_an_answer, "tasks[2].items.search", r"open.jsonl:1: answer: "),
    (too_long_items, "tasks[0].items.search", r"has 600 tokens, .*; raise that, or shorten"),
    (removed_task, "tasks[1].name", ORDER),
    (changed_type, "tasks[1].type", STORED),
    (task_of_nobody, "tasks[2].expert", r"no expert is called .perl.; name one of"),
    (changed_skill, "tasks[0].expert", STORED),
    (no_chat_template, "tasks[2].chat", r"has no chat template; "),
    (lambda spec: spec.update(seed=9), "seed", STORED),
    (set_evolution(strategy="RandomGenomes"), "evolution.strategy", STORED),
    (set_evolution(candidatesPerGeneration=9), "evolution.candidatesPerGeneration", STORED),
    (set_evolution(pipelineDepth=3), "evolution.pipelineDepth", STORED),
    (set_evolution(generations=5), "evolution.generations", r"may only be raised: write 9 or more"),
    (changed_hold_out, "evolution.tune.holdOutShare", STORED),
    (no_generation_left, "evolution.generations", r"joins in generation 9, .*; write 10 or"),
    (step_in_a_planned_generation, "curriculum[0].generation", r"7 is too early, .*; write 9 or"),
    (step_of_nobody, "curriculum[0].experts[0]", r"spec.experts has no .perl.; name one of"),
    (step_of_somebody_who_is_there, "curriculum[0].experts[0]", r"in the run .*; remove the name"),
    (misspelt, "expert", r"unknown field here; it stands at"),
]
