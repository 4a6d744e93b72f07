"""The roles inside pods of a cluster: what surrounds them there, and nothing of what they do.

::

    settings         the environment variables that the operator sets
    manifest_folder  the run's ConfigMap as a folder, which changes while the pod lives
    view             progress in the operator's words
    publishing       that progress on its way into another ConfigMap
    health           /healthz and /metrics
    ending           exit status, termination message, SIGTERM
    coordinate       ``cycleqd pod coordinate``
    work             ``cycleqd pod work``
    sandbox          ``cycleqd pod sandbox``, beside the worker

The archives are those of ``cycleqd run``, since both use the same coordinator and worker.
"""
