"""A run in the company of tracking tools: what its store tells, told once to MLflow or TensorBoard.

`translation` and `models` turn documents into numbers, parameters and models, and act on nothing.
`Follower` reads what is committed and hands it to a `sink.Sink`, which adds what it does not have
yet. No cursor is kept anywhere: what was tracked is asked of the tool itself, so a follower may be
killed between any two instructions and begin again, on this machine or another.
"""
