"""How good a model is: engines that complete prompts, tasks that judge completions, a sandbox.

The arrow is ``evaluate -> tasks -> sandbox`` and ``evaluate -> engines``; engines and tasks know
nothing of each other. Importing this package, the tasks or the sandbox imports no torch; engines
import their library when they are created.
"""
