"""SIGTERM and SIGINT, whatever the process is doing at that moment.

Loaded before everything else that the daemon needs: that takes half a second, in which a signal may
come as well.
"""

import os
import signal
from collections.abc import Callable
from threading import Thread
from types import FrameType

ENDS = (signal.SIGTERM, signal.SIGINT)


def leave_on_signals() -> None:
    """Leave at SIGTERM and SIGINT as long as nothing has begun that would have to be ended."""
    on_signals(lambda: os._exit(0))


def on_signals(act: Callable[[], None]) -> None:
    """Have a thread act at the first signal, whatever the main thread holds or waits for then.

    A handler would have to wait for it, be it for a database that is locked.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)

    def listen() -> None:
        os.read(heard, 1)
        act()

    Thread(target=listen, name="signals", daemon=True).start()
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for number in ENDS:
        signal.signal(number, _nothing_else)


def _nothing_else(_number: int, _frame: FrameType | None) -> None:
    """Have Python not end the process itself."""
