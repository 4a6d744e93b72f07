"""A Kubernetes and an S3 server made on this machine, from binaries of `scripts/build-tools`.

Modules, from the ground up: `binaries` finds programs, `processes` runs them, `certificates` makes
what they trust each other by, `control_plane` is etcd, API server, controllers and scheduler (no
root), `cluster` is what a client needs of any of these, `kwok` adds fake nodes, `pod_player` a node
whose pods are local processes. Tests use these; `python -m scripts.devcluster` adds real nodes.
"""
