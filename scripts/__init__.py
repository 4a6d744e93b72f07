"""The project's commands; `scripts.devcluster` is also a package that tests import."""
