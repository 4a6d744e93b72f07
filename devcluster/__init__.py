"""A Kubernetes and an S3 server made on this machine, from binaries of `scripts/build-tools`.

`base` is a control plane without root and what it stands on. It has two masters: `real` adds real
nodes, images, S3 and the operator for people (``make cluster``), `played` adds fake nodes and pods
that are local processes for tests and benchmarks. Neither of these knows the other.
"""
