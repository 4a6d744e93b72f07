"""The shell skill: one command in a folder of small files, checked by its output or the files left.

Beside the shared staff file it knows text files such as ``notes.txt``. Only commands that every
POSIX system has are needed: awk, cat, cp, cut, grep, head, mv, sed, sort, tail, tr, uniq, wc.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from cycleqd.demo.questions import Question, Skill, Template, data_generator, words
from cycleqd.demo.staff import STAFF_TEMPLATES, StaffQuestion

_WORDS = words(
    "rain snow wind frost cloud storm sun mist hail fog dew ice heat calm gale flood dust "
    "smoke spark flame"
)
_FILES = words("notes.txt todo.txt log.txt list.txt plan.txt draft.txt diary.txt")


def _prompt(text: str) -> str:
    return f"{text}\n```bash\n"


def _asked(
    template: str,
    text: str,
    answer: str,
    *,
    file: str,
    marks: tuple[str, ...],
    stdout: Callable[[list[str]], list[str]],
    after: Callable[[list[str]], dict[str, list[str]]] | None = None,
) -> Question:
    """A question about ``file``, whose lines of three words hold ``marks`` in some places."""
    prompt = _prompt(text)

    def fields() -> dict[str, Any]:
        lines, other = _lines(data_generator(prompt), marks)
        second = next(name for name in _FILES if name != file)
        left = {} if after is None else {name: _text(kept) for name, kept in after(lines).items()}
        optional = {"files_after": left} if left else {}
        return {
            "files": {file: _text(lines), second: _text(other)},
            "stdout": _text(stdout(lines)),
            **optional,
        }

    return Question(template, prompt, answer, fields)


def _lines(rng: random.Random, marks: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Lines of the file asked about and of another one."""
    lines = [" ".join(rng.choices([*marks, *_WORDS], k=3)) for _ in range(12)]
    for place, word in enumerate(marks * 2):
        lines[3 * place] = f"{word} {rng.choice(_WORDS)} {rng.choice(_WORDS)}"
        lines[3 * place + 1] = f"{rng.choice(_WORDS)} {rng.choice(_WORDS)} {word}"
    rng.shuffle(lines)
    return lines, [" ".join(rng.choices(_WORDS, k=3)) for _ in range(3)]


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _staff(ask: Callable[[random.Random], StaffQuestion]) -> Template:
    def template(rng: random.Random) -> Question:
        staff = ask(rng)

        def fields() -> dict[str, Any]:
            rows = [f"{r.name} {r.age} {r.dept} {r.pay}" for r in staff.rows]
            stdout = _text([str(value) for value in staff.result])
            return {"files": {"staff": _text(rows)}, "stdout": stdout}

        return Question(staff.kind, _prompt(staff.text), staff.command, fields)

    return template


def _ending(rng: random.Random) -> Question:
    word, file = rng.choice(_WORDS), rng.choice(_FILES)
    if rng.random() < 0.5:
        return _asked(
            "shell-ending",
            f"lines of {file} ending in {word}",
            f"grep '{word}$' {file}",
            file=file,
            marks=(word,),
            stdout=lambda lines: [line for line in lines if line.endswith(word)],
        )
    return _asked(
        "shell-ending",
        f"lines of {file} starting with {word}",
        f"grep '^{word}' {file}",
        file=file,
        marks=(word,),
        stdout=lambda lines: [line for line in lines if line.startswith(word)],
    )


def _without(rng: random.Random) -> Question:
    word, file = rng.choice(_WORDS), rng.choice(_FILES)
    return _asked(
        "shell-without",
        f"lines of {file} without {word}",
        f"grep -v {word} {file}",
        file=file,
        marks=(word,),
        stdout=lambda lines: [line for line in lines if word not in line],
    )


def _counting(rng: random.Random) -> Question:
    word, file = rng.choice(_WORDS), rng.choice(_FILES)
    return _asked(
        "shell-counting",
        f"number of lines in {file} with {word}",
        f"grep -c {word} {file}",
        file=file,
        marks=(word,),
        stdout=lambda lines: [str(sum(word in line for line in lines))],
    )


def _one_end(rng: random.Random) -> Question:
    side, count, file = rng.choice(("first", "last")), rng.randint(2, 9), rng.choice(_FILES)
    tool = "head" if side == "first" else "tail"
    return _asked(
        "shell-one-end",
        f"{side} {count} lines of {file} in order",
        f"{tool} -n {count} {file} | sort",
        file=file,
        marks=(),
        stdout=lambda lines: sorted(lines[:count] if side == "first" else lines[-count:]),
    )


def _column(rng: random.Random) -> Question:
    column, word, file = rng.randint(1, 3), rng.choice(_WORDS), rng.choice(_FILES)
    place = ("first", "second", "third")[column - 1]
    return _asked(
        "shell-column",
        f"{place} word of lines with {word} in {file}",
        f"grep {word} {file} | cut -d' ' -f{column}",
        file=file,
        marks=(word,),
        stdout=lambda lines: [line.split()[column - 1] for line in lines if word in line],
    )


def _substituted(rng: random.Random) -> Question:
    (old, new), file = rng.sample(_WORDS, 2), rng.choice(_FILES)
    return _asked(
        "shell-substituted",
        f"{file} with {old} turned into {new}",
        f"sed 's/{old}/{new}/g' {file}",
        file=file,
        marks=(old,),
        stdout=lambda lines: [line.replace(old, new) for line in lines],
    )


def _saved(rng: random.Random) -> Question:
    word, file = rng.choice(_WORDS), rng.choice(_FILES)
    return _asked(
        "shell-saved",
        f"save lines of {file} with {word} to {word}.out",
        f"grep {word} {file} > {word}.out",
        file=file,
        marks=(word,),
        stdout=lambda _: [],
        after=lambda lines: {f"{word}.out": [line for line in lines if word in line]},
    )


def _copied(rng: random.Random) -> Question:
    word, file = rng.choice(_WORDS), rng.choice(_FILES)
    tool, verb = rng.choice((("cp", "copy"), ("mv", "rename")))
    return _asked(
        "shell-copied",
        f"{verb} {file} to {word}.bak",
        f"{tool} {file} {word}.bak",
        file=file,
        marks=(),
        stdout=lambda _: [],
        after=lambda lines: {f"{word}.bak": lines},
    )


SHELL = Skill(
    "shell",
    type="shell",
    shared=tuple(_staff(ask) for ask in STAFF_TEMPLATES),
    own=(_ending, _without, _counting, _one_end, _column, _substituted, _saved, _copied),
)
