"""A recipe small enough for tests: a model of 50,000 parameters, a few steps."""

from cycleqd.demo.recipes import Recipe, Schedule, TinyBase

STEPS = Schedule(epochs=2, batch_size=8, learning_rate=2e-3, train_embeddings=True, threads=1)
MINIMAL = Recipe(
    base=TinyBase(vocabulary=320, hidden=32, layers=1, schedule=STEPS),
    questions={"sql": 24, "python": 24, "shell": 24},
    expert=Schedule(epochs=1, batch_size=8, learning_rate=1e-3, threads=1),
    later=Schedule(epochs=1, batch_size=8, learning_rate=1e-3, threads=1),
    search_items=8,
    test_items=8,
)
