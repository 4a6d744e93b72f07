"""The algorithm: archives, selection, genomes, operators, strategies, ``ask`` and ``tell``.

Numpy only and pure: no clock, no store, no weights, no randomness but streams keyed by the run's
seed and a candidate's number. Whatever is decided here can be recomputed anywhere from what is
stored.
"""
