"""A run of any age is looked at for the same: neither commits nor names pile up before a reader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cycleqd.api.run import Run
from cycleqd.cli.ending import run_command
from cycleqd.errors import InputError, VerificationError
from cycleqd.records import keys
from cycleqd.roles.coordinator import Coordinator
from cycleqd.run import store as run_store
from cycleqd.run.store import LISTED, RunStore
from cycleqd.run.told import ToldResults
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore, open_store
from tests.run.synthetic import (
    ITEMS,
    SKILLS,
    begin,
    digest_of,
    do_everything,
    fresh,
    grow,
    manifest,
)
from tests.store.counting import Counting


def aged(commits: range, planned: int = 2) -> Counting:
    """A store with nothing but commits and a few plans after them."""
    store = MemoryStore()
    for number in commits:
        store.create(keys.generation(number).commit_key, b"{}")
    for number in range(commits.stop, commits.stop + planned):
        store.create(keys.generation(number).plan_key, b"{}")
    return Counting(store)


@pytest.mark.parametrize("count", [0, 1, 2, 998, 999, 1000, 1001, 1999, 2000, 2999, 5432, 12_345])
def test_the_last_commit_is_found_by_a_few_requests(count: int) -> None:
    store = aged(range(count))
    assert RunStore(store).committed() == count - 1  # type: ignore[arg-type]
    assert store.names <= 2 * LISTED
    assert store.calls.total() <= 16


def test_a_second_look_lists_only_what_is_new() -> None:
    store = aged(range(2500))
    run = RunStore(store)  # type: ignore[arg-type]
    run.committed()
    store.names = 0
    store.store.create(keys.generation(2500).commit_key, b"{}")
    assert run.committed() == 2500
    assert store.names == 2


@pytest.mark.parametrize("missing", [0, 1, 7, 999, 1000, 1999, 2400])
def test_a_missing_commit_hides_none_that_follow(missing: int) -> None:
    store = MemoryStore()
    for number in range(2500):
        if number != missing:
            store.create(keys.generation(number).commit_key, b"{}")
    assert RunStore(store).committed() == 2499


def test_numbers_may_get_a_digit_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_store, "LISTED", 100_000)
    store = MemoryStore()
    for number in (99_999, 299_999, 699_999, 999_998, 999_999, 1_000_000, 1_000_001):
        store.create(keys.generation(number).commit_key, b"{}")
    assert RunStore(store).committed() == 1_000_001


@pytest.fixture(scope="module")
def grown() -> RunStore:
    run = fresh(generations=4)
    do_everything(run)
    grow(run, manifest(generations=9, skills=(*SKILLS, "regex")))
    do_everything(run)
    return run


def test_verification_begins_anywhere(grown: RunStore) -> None:
    whole = Verifier(grown, lambda candidate: digest_of(grown, candidate)).verify()
    parts = [
        Verifier(grown, lambda candidate: digest_of(grown, candidate)).verify(first)
        for first in range(10)
    ]
    assert parts[0] == whole
    assert [part.archives for part in parts] == [*range(10, 0, -1)]
    assert all(part.items == whole.items for part in parts)
    assert [part.summaries for part in parts] == [2] * 5 + [1] * 5


def with_other_score(run: RunStore, generation: int) -> RunStore:
    """A copy in which a result's score is not the share of its outcomes."""
    store = MemoryStore()
    changed = keys.generation(generation).result_key(1)
    for key in run.objects.list(""):
        data = run.objects.read(key)
        if key == changed:
            document = json.loads(data)
            document["scores"] = dict.fromkeys(document["scores"], 0.123)
            data = json.dumps(document).encode()
        store.create(key, data)
    return RunStore(store)


@pytest.mark.parametrize("first", [3, 5, 6])
def test_what_is_older_is_taken_as_it_is(grown: RunStore, first: int) -> None:
    Verifier(with_other_score(grown, first - 1), None).verify(first)
    with pytest.raises(VerificationError, match=f"{first:06d}/results/000001"):
        Verifier(with_other_score(grown, first), None).verify(first)


def test_a_generation_of_the_future_is_refused(grown: RunStore) -> None:
    with pytest.raises(InputError, match="--from: 10 is not committed; write 9 or less"):
        Verifier(grown, None).verify(10)


def test_the_command_says_what_it_did_not_look_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    do_everything(begin(open_store(str(tmp_path)), manifest(generations=4)))
    command = ["verify", str(tmp_path), "--no-weights", "--from"]
    assert run_command([*command, "3"]) == 0
    assert "from generation 3 on; what is older was not looked at" in capsys.readouterr().out
    assert run_command([*command, "5"]) == 78
    assert "--from: 5 is not committed; write 4 or less" in capsys.readouterr().err


def test_readers_ask_as_much_at_any_age() -> None:
    calls = []
    for generations in (12, 60):
        run = fresh(generations=generations)
        do_everything(run)
        store = Counting(run.objects)  # type: ignore[arg-type]
        Run(store).status()  # type: ignore[arg-type]
        Run(store).archives()  # type: ignore[arg-type]
        Coordinator(RunStore(store)).step()  # type: ignore[arg-type]
        calls.append(store.calls)
    assert calls[0] == calls[1]


@pytest.mark.parametrize("items", [{"searchLimit": ITEMS + 5}, {"search": "others.jsonl"}])
def test_what_strategies_are_told_is_read_once_and_gathered_on(items: dict[str, object]) -> None:
    run = fresh(generations=4)
    do_everything(run)
    for generations, changed in ((9, {}), (14, {"sql": items})):
        more = (*SKILLS, "regex")
        grow(run, manifest(generations=generations, skills=more, items=changed))
        do_everything(run)
    assert run.latest().joins == (5, 10)
    store = Counting(run.objects)  # type: ignore[arg-type]
    told = ToldResults(RunStore(store))  # type: ignore[arg-type]
    for number in range(run.committed() + 1):
        assert [*told.up_to(number)()] == [*ToldResults(run).up_to(number)()]
        store.calls.clear()
        told.up_to(number)()
        assert not store.calls
    store.calls.clear()
    assert [*told.up_to(3)()] == [*ToldResults(run).up_to(3)()]
    assert not store.calls
