"""The command line: ``cycleqd``.

Commands are thin; each calls one part of the package and prints. Errors of the tree in
`cycleqd.errors` become one message on standard error and the tree's exit status.
"""

from __future__ import annotations

import logging
import sys

from cycleqd.cli.app import app
from cycleqd.cli.console import errors
from cycleqd.errors import CycleQDError, ManifestError

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the ``cycleqd`` command."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except ManifestError as error:
        for problem in error.problems:
            errors.print(problem, markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except CycleQDError as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `cycleqd list | head`
        sys.stderr.close()
        sys.exit(141)
