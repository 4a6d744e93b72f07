"""A lineage is drawn whole when small and bounded when large, and never fails on odd data."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from cycleqd.report.data import Ancestor
from cycleqd.report.lineage import MOST_BOXES, draw_lineage, plan_tree

SMALL = {
    "a": Ancestor("a", expert="python", scores={"python": 0.8}),
    "b": Ancestor("b", expert="sql", scores={"python": 0.1}),
    "c": Ancestor("c", ("a", "b"), "Linear", 1, {"python": 0.5}),
    "d": Ancestor("d", ("c", "a"), "Linear", 2, {"python": 0.6}),
}


def texts(svg: str) -> str:
    return " ".join(node.text or "" for node in ET.fromstring(svg).iter() if node.text)


def test_a_small_family_is_drawn_whole() -> None:
    tree = plan_tree(SMALL, "d")
    assert tree.rows[0] == ("d",)
    assert tree.rows[1] == ("c",)
    assert sorted(tree.rows[2]) == ["a", "b"]
    assert set(tree.edges) == {("d", "c"), ("d", "a"), ("c", "a"), ("c", "b")}
    assert (tree.hidden, tree.total) == (0, 3)
    words = texts(draw_lineage(SMALL, "d", ["python"]))
    for word in ("d", "c", "python", "sql", "0.60", "g2 · Linear"):
        assert word in words


def test_a_large_family_is_bounded_and_keeps_the_experts() -> None:
    family = {f"e{i}": Ancestor(f"e{i}", expert=f"expert-{i}") for i in range(3)}
    names = list(family)
    for number in range(5000):
        name = f"c{number}"
        parents = (names[-1], names[number // 2])
        family[name] = Ancestor(name, parents, "Linear", number)
        names.append(name)
    tree = plan_tree(family, "c4999")
    boxes = [name for row in tree.rows for name in row]
    assert len(boxes) <= MOST_BOXES + 1
    assert {"e0", "e1", "e2"} <= set(boxes)
    assert tree.total == 5002
    assert tree.hidden == 5003 - (len(boxes) - 1)
    assert f"{tree.hidden} earlier ancestors" in texts(draw_lineage(family, "c4999", []))


def test_many_experts_are_bounded_too() -> None:
    family = {f"e{i}": Ancestor(f"e{i}") for i in range(500)}
    family["m"] = Ancestor("m", tuple(family))
    tree = plan_tree(family, "m")
    assert sum(map(len, tree.rows)) <= MOST_BOXES + 1


@pytest.mark.parametrize(
    "family",
    [
        {},
        {"m": Ancestor("m")},
        {"m": Ancestor("m", ("gone", "m"))},
        {"m": Ancestor("m", ("n",)), "n": Ancestor("n", ("m",))},
        {"m": Ancestor("m", scores={f"t{i}": 2.0 for i in range(30)})},
    ],
    ids=["unknown", "alone", "own parent", "circle", "many tasks"],
)
def test_odd_families_are_drawn(family: dict[str, Ancestor]) -> None:
    tasks = [f"t{i}" for i in range(30)]
    assert "m" in texts(draw_lineage(family, "m", tasks))


def test_hostile_names_are_text() -> None:
    name = "<script>alert('x')</script>\x00\ud800&\"'"
    svg = draw_lineage({name: Ancestor(name, operator=name)}, name, [])
    assert "<script" not in svg
    assert "alert" in texts(svg)
