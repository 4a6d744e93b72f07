"""Property tests here run the same examples every time, however slow the machine is."""

from hypothesis import settings

settings.register_profile("evolution", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("evolution")
