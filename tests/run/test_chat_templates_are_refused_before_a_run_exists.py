"""A chat template that cannot ask a task's prompts is refused at admission, by the field of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cycleqd.errors import CheckpointError, DatasetError, RunMismatch
from cycleqd.records import keys
from cycleqd.store.memory import MemoryStore
from tests.run.beginning import TEMPLATE, begin, edit, items, laid_out, refused

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return laid_out(tmp_path, monkeypatch)


def test_a_prompt_with_its_template_counts(place: Path) -> None:
    edit(place, lambda spec: [task.update(maxNewTokens=500) for task in spec["tasks"]])
    for split in ("search", "test"):
        items(place, f"sql.{split}.jsonl", [f"a cat {split}"])
        items(place, f"python.{split}.jsonl", [f"the cat {split}"])
    assert begin(place, MemoryStore()).exists()
    long = "the " * 20 + TEMPLATE
    (place / "models/base/chat_template.jinja").write_text(long)
    edit(place, lambda spec: spec["tasks"][1].update(chat=True))
    lines = refused(place, DatasetError)
    assert [line.split(": prompt")[0] for line in lines] == [
        "spec.tasks[1].items.search: python.search.jsonl:1",
        "spec.tasks[1].items.test: python.test.jsonl:1",
    ]


def test_a_chat_template_that_is_missing_is_refused_and_found(place: Path) -> None:
    edit(place, lambda spec: spec["tasks"][1].update(chat=True))
    (line,) = refused(place, CheckpointError)
    assert line.startswith("spec.tasks[1].chat: models/base: has no chat template; switch chat off")
    template = place / "models/python/chat_template.jinja"
    template.write_text(TEMPLATE)
    (line,) = refused(place, CheckpointError)
    assert line == (
        "spec.tasks[1].chat: models/base: has no chat template, expert python has one; write "
        "chatTemplateFrom: python beside chat: true, or switch chat off"
    )
    edit(place, lambda spec: spec["tasks"][1].update(chatTemplateFrom="python"))
    run = begin(place, MemoryStore())
    assert run.objects.read(keys.chat_template("python")) == TEMPLATE.encode()
    edit(place, lambda spec: spec["tasks"][1].update(chatTemplateFrom="sql"))
    (line,) = refused(place, CheckpointError)
    assert line.startswith(
        "spec.tasks[1].chatTemplateFrom: models/sql: has no chat template, expert python has one;"
    )


def test_an_expert_s_template_needs_no_tokenizer_beside_it(place: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (place / "models/python" / name).unlink()
    (place / "models/python/chat_template.jinja").write_text(TEMPLATE)
    edit(place, lambda spec: spec["tasks"][0].update(chat=True, chatTemplateFrom="python"))
    run = begin(place, MemoryStore())
    assert run.objects.read(keys.chat_template("python")) == TEMPLATE.encode()
    (place / "models/python/chat_template.jinja").write_bytes(b"\xff")
    (line,) = refused(place, CheckpointError)
    assert line == (
        "spec.tasks[0].chatTemplateFrom: models/python/chat_template.jinja: not UTF-8 text; save "
        "the file as UTF-8"
    )


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ messages[0]['content'] + messages[9] }}", "chatTemplateFrom: models/python: its chat"),
        (
            "{{ raise_exception('only users') if messages[1] else messages[0]['content'] }}",
            "systemMessage: the chat template takes no system message (only users); remove the",
        ),
        (
            "{{ messages[-1]['content'] }}",
            "systemMessage: the chat template does not write the system message; remove the line",
        ),
    ],
)
def test_a_template_that_does_not_do_is_refused(place: Path, template: str, said: str) -> None:
    (place / "models/python/chat_template.jinja").write_text(template)
    chosen = {"chat": True, "chatTemplateFrom": "python", "systemMessage": "the cat"}
    edit(place, lambda spec: spec["tasks"][1].update(chosen))
    (line,) = refused(place, CheckpointError)
    assert line.startswith(f"spec.tasks[1].{said}")


def test_a_template_of_an_attempt_that_did_not_begin_is_not_taken_for_this(place: Path) -> None:
    (place / "models/python/chat_template.jinja").write_text(TEMPLATE)
    edit(place, lambda spec: spec["tasks"][1].update(chat=True, chatTemplateFrom="python"))
    objects = MemoryStore()
    objects.create(keys.chat_template("python"), b"another")
    with pytest.raises(RunMismatch, match=r"chat_template\.jinja is another chat template, .*rem"):
        begin(place, objects)
    assert not objects.exists(keys.RUN)


def test_a_chat_template_that_fails_is_refused(place: Path) -> None:
    (place / "models/base/chat_template.jinja").write_text("{{ messages[9]['content'] + 1 }}")
    edit(place, lambda spec: spec["tasks"][0].update(chat=True))
    (line,) = refused(place, CheckpointError)
    assert line.startswith("spec.tasks[0].chat: models/base: its chat template fails")
