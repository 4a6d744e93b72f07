"""The inside of the sandbox: a small process that forks once for each item.

`cycleqd.evaluation.sandbox.Sandbox` starts it as ``python -I -S -c ...`` with an allow-listed
environment, so it holds no torch, no credentials and no inherited file descriptors. It answers one
JSON line with one JSON line. The order of things::

    server        walls off itself once (confinement), then for each request:
      item        fresh folder, fork, watch clock and output, kill whatever is left, answer
        child     own session, limits, user, Landlock, seccomp, then what the
                  program names: python_item, sql_item, shell_item, or the
                  module of another type of task

A Python program has two children, its judge and its answer's process (`python_item`).
Standard library only: what is imported here is copied into every child.
"""
