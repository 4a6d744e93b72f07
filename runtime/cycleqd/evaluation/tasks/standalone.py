"""Published tests that need more than the sandbox has: what can be done without it, and what not.

Programs in the sandbox have the standard library alone. The EvalPlus sets on the Hugging Face hub
import numpy for two comparisons, which a few lines do as well; whatever else tests import is
refused when the items are read, for with it no answer could ever pass.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence

from cycleqd.evaluation.tasks.form import Unusable

_CLOSE = """\
class np:
    ndarray, float32, float64 = (), None, None

    @staticmethod
    def allclose(value, right, rtol, atol):
        if isinstance(right, (list, tuple)):
            assert isinstance(value, (list, tuple)) and len(value) == len(right)
            return all(np.allclose(*pair, rtol, atol) for pair in zip(value, right))
        assert isinstance(value, (int, float, complex)) and isinstance(right, (int, float, complex))
        return value == right or abs(value - right) <= atol + rtol * abs(right)
"""

_REPLACED = {"ndarray", "float32", "float64", "allclose"}
_NUMPY = "import numpy as np"


def standalone(tests: str, field: str) -> str:
    """Tests that need nothing but the standard library.

    Args:
        tests: as published.
        field: where they stand in the row.

    Raises:
        Unusable: they are no Python, or import something else.
    """
    try:
        tree = ast.parse(tests)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unusable(field, f"must be Python source that compiles ({error})") from error
    nodes = list(_nodes(tree))
    foreign = _imported(nodes) - sys.stdlib_module_names
    lines = tests.split("\n")
    place = next((i for i, line in enumerate(lines) if line.strip() == _NUMPY), None)
    if foreign == {"numpy"} and place is not None and _of_numpy(nodes) <= _REPLACED:
        lines[place] = _CLOSE
        return "\n".join(lines)
    if foreign:
        raise Unusable(
            field,
            f"imports {', '.join(sorted(foreign))}, and programs in the sandbox have the standard "
            "library alone; write the tests without, or take the row out",
        )
    return tests


def _nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Everything in a program but the insides of lists and the like, megabytes of data."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.List | ast.Tuple | ast.Dict | ast.Set):
            waiting += ast.iter_child_nodes(node)


def _of_numpy(nodes: Sequence[ast.AST]) -> set[str]:
    """The names of numpy that are used."""
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "np"
    }


def _imported(nodes: Sequence[ast.AST]) -> set[str]:
    """The packages that are imported."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
