"""What an operator and a run's pods tell each other; only the standard library and pydantic.

::

    variables    names of environment variables
    s3           settings of the S3 server, in a manifest and in variables
    pods         arguments, folders, port and times of the containers
    config_maps  keys of the two ConfigMaps
    progress     what a coordinator reports, and how a pod says why it failed

Each fact stands here once; the operator, the pods and whoever plays one of them import it.
"""
