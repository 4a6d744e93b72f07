"""`python -m devcluster`: a real two-node Kubernetes on this machine. Needs root."""

from __future__ import annotations

import argparse
import json
import shutil
import sys

from devcluster.base.binaries import ToolMissingError, binary
from devcluster.base.commands import CommandError, say
from devcluster.real import demo, lifecycle
from devcluster.real.layout import kubeconfig

COMMANDS = {
    "up": "bring the cluster up (nothing happens where it is) and say what to type next",
    "reload": "build images of the clone as it is now and let the running cluster use them",
    "demo": "bring it up, run the quickstart in it and follow that to its end",
    "status": "print what runs, as JSON",
    "down": "take everything down again",
}

NEXT = """\
The cluster is up: two nodes, an S3 server with the examples' models, the operator.
Type next:

{path}export KUBECONFIG={kubeconfig}
kubectl get nodes
kubectl apply -k manifests/examples/cluster/tiny
kubectl get cqd -n demo -w

make cluster-down takes it away again."""


def path_line() -> str:
    """The line that makes kubectl a command, where the machine has none of its own."""
    folder = binary("kubectl", "kubernetes").parent
    return "" if shutil.which("kubectl") else f"export PATH={folder}:$PATH\n"


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m devcluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        one = commands.add_parser(name, help=text, description=text)
        if name == "demo":
            one.add_argument("--example", default="quickstart", choices=("quickstart", "tiny"))
    arguments = parser.parse_args()
    try:
        match arguments.command:
            case "up":
                lifecycle.up()
                print(NEXT.format(kubeconfig=kubeconfig(), path=path_line()))
            case "reload":
                lifecycle.reload()
            case "demo":
                lifecycle.up()
                demo.follow(lifecycle.cluster(), arguments.example)
            case "status":
                print(json.dumps(lifecycle.status(), indent=2))
            case "down":
                lifecycle.down()
                say("nothing is left")
    except (CommandError, ToolMissingError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
