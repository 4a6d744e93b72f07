"""CycleQD: evolve swarms of language models by quality diversity and model merging.

The package holds the algorithm (``evolution``), the weights path (``weights``), the evaluation of
models on tasks (``evaluation``), the store (``store``), a run as its store tells it (``run``) and
the two roles that work on it (``roles``). It knows nothing of Kubernetes. Arrows between the parts
point one way and are checked by import-linter; see ``docs/concepts.md``.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("cycleqd-operator")
except PackageNotFoundError:  # a source tree on sys.path that was never installed
    __version__ = "0.0.0+source"

__all__ = ["__version__"]
