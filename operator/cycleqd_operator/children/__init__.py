"""The objects that a run owns in the cluster, each a function of the run alone."""
