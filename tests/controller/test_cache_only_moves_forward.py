"""Watches, lists and answers may come in any order: the cache never goes back in time."""

from __future__ import annotations

from cycleqd_operator.control.cache import Cache
from cycleqd_operator.control.work_queue import RunKey
from cycleqd_operator.kube.objects import Json

RUN = RunKey("ns", "one")


def obj(name: str, version: int, uid: str = "u", run: str = "one", namespace: str = "ns") -> Json:
    meta = {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": str(version)}
    return {"metadata": meta | {"labels": {"cycleqd.io/run": run}}}


def cache_with_run() -> Cache:
    cache = Cache()
    assert cache.put("CycleQDRun", obj("one", 1)) == RUN
    return cache


def pods(cache: Cache) -> dict[str, str]:
    observed = cache.observed(RUN)
    assert observed is not None
    return {name: pod["metadata"]["resourceVersion"] for name, pod in observed.pods.items()}


def test_an_older_version_is_nothing_new() -> None:
    cache = cache_with_run()
    assert cache.put("Pod", obj("p", 5)) == RUN
    assert cache.put("Pod", obj("p", 5)) is None
    assert cache.put("Pod", obj("p", 4)) is None
    assert cache.put("Pod", obj("p", 10)) == RUN
    assert pods(cache) == {"p": "10"}


def test_what_was_deleted_does_not_come_back_from_an_older_list() -> None:
    cache = cache_with_run()
    cache.put("Pod", obj("p", 5))
    assert cache.remove("Pod", obj("p", 8)) == RUN
    assert cache.replace("Pod", "", [obj("p", 5)], "7") == set()
    assert pods(cache) == {}


def test_a_new_object_of_the_same_name_is_welcome() -> None:
    cache = cache_with_run()
    cache.put("Pod", obj("p", 5))
    cache.remove("Pod", obj("p", 8))
    assert cache.put("Pod", obj("p", 9, uid="new")) == RUN
    assert cache.remove("Pod", obj("p", 8)) is None
    assert pods(cache) == {"p": "9"}


def test_a_list_reports_what_the_watches_missed() -> None:
    cache = cache_with_run()
    cache.put("Pod", obj("gone", 5))
    cache.put("Pod", obj("same", 6))
    cache.put("Pod", obj("newer", 30))
    listed = [obj("same", 6), obj("missed", 15)]
    assert cache.replace("Pod", "", listed, "20") == {RUN}
    assert pods(cache) == {"same": "6", "missed": "15", "newer": "30"}
    assert cache.replace("Pod", "", [*listed, obj("newer", 30)], "31") == set()


def test_a_list_of_one_namespace_says_nothing_about_others() -> None:
    cache = cache_with_run()
    cache.put("Pod", obj("p", 5))
    assert cache.replace("Pod", "other", [], "20") == set()
    assert pods(cache) == {"p": "5"}


def test_a_child_follows_its_label() -> None:
    cache = cache_with_run()
    cache.put("Pod", obj("p", 5))
    assert cache.put("Pod", obj("p", 6, run="two")) == RunKey("ns", "two")
    assert pods(cache) == {}


def test_children_wait_for_their_run() -> None:
    cache = Cache()
    assert cache.put("Pod", obj("p", 5)) == RUN
    assert cache.observed(RUN) is None
    cache.put("CycleQDRun", obj("one", 6))
    assert pods(cache) == {"p": "5"}
    cache.remove("CycleQDRun", obj("one", 7))
    assert cache.observed(RUN) is None


def test_what_we_deleted_counts_as_going() -> None:
    cache = cache_with_run()
    cache.put("Job", obj("j", 5))
    cache.mark_deleting("Job", RunKey("ns", "j"), "another", "2026-01-01T00:00:00Z")
    observed = cache.observed(RUN)
    assert observed is not None
    assert "deletionTimestamp" not in observed.jobs["j"]["metadata"]
    cache.mark_deleting("Job", RunKey("ns", "j"), "u", "2026-01-01T00:00:00Z")
    observed = cache.observed(RUN)
    assert observed is not None
    assert observed.jobs["j"]["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"


def test_a_server_restored_from_a_backup_is_believed() -> None:
    cache = cache_with_run()
    cache.replace("Pod", "ns", [obj("p", 500), obj("made-since", 600)], "700")
    cache.remove("Pod", obj("gone-since", 650))
    restored = [obj("p", 300), obj("gone-since", 310)]
    assert cache.replace("Pod", "ns", restored, "400") == {RUN}
    assert pods(cache) == {"p": "300", "gone-since": "310"}


def test_forgotten_deletions_do_not_pile_up() -> None:
    cache = cache_with_run()
    for number in range(100):
        cache.put("Pod", obj(f"p{number}", 10 + number))
        cache.remove("Pod", obj(f"p{number}", 200 + number))
    assert len(cache._deleted) == 100
    cache.replace("Pod", "", [], "1000")
    assert not cache._deleted


def test_an_object_that_cannot_be_taken_hides_no_other() -> None:
    cache = cache_with_run()
    cache.put("Pod", obj("odd", 5))
    odd = obj("odd", 6)
    odd["metadata"]["labels"] = ["no", "mapping"]
    assert cache.replace("Pod", "", [odd, obj("p", 7)], "8") == {RUN}
    assert pods(cache) == {"odd": "5", "p": "7"}
