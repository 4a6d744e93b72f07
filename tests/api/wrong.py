"""Wrong manifests, each a small edit of one that a cluster accepts, with what its API server says.

``KUBECONFIG=... python -m tests.api.wrong`` applies them and prints every answer; the custom
resource definition must be installed there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Final

from .wrong_fields import WRONG_FIELDS
from .wrong_rules import WRONG_RULES
from .wrong_tracking import WRONG_TRACKING

WRONG: Final = [*WRONG_FIELDS, *WRONG_RULES, *WRONG_TRACKING]


def main() -> int:
    """Apply every wrong manifest and print what is said; the exit status is 1 if one is stored."""
    stored = 0
    for number, wrong in enumerate(WRONG, start=1):
        # Not as a List, which kubectl would check itself, before the server and in other words.
        done = subprocess.run(
            [os.environ.get("KUBECTL", "kubectl"), "apply", "-f", "-"],
            input=json.dumps(wrong.document()),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        stored += done.returncode == 0
        print(f"{number:2}. {wrong.fault} ({wrong.path})")
        for line in (done.stdout + done.stderr).strip().splitlines():
            print(f"      {line}")
    print(f"{len(WRONG) - stored} of {len(WRONG)} wrong manifests refused")
    return 1 if stored else 0


if __name__ == "__main__":
    sys.exit(main())
