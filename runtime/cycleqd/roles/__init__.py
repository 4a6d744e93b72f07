"""Who works on a run: the coordinator, the workers, and how one machine drives both."""
