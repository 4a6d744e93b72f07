"""An event loop whose clock jumps: waits of minutes take no time and always the same one."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Where nothing is left to do now, the clock moves on to the next timer."""

    def __init__(self) -> None:
        self.clock = 0.0
        super().__init__(JumpingSelector(self))

    def time(self) -> float:
        return self.clock


class JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing will ever happen any more: the test waits in vain")
        if not ready and timeout:
            self.loop.clock += timeout
        return ready


def in_virtual_time(coroutine: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)
