"""What every process that another one starts does first: leave Ctrl-C to its parent, and end with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Read by libraries when they are loaded."""


def follow_parent(signum: int = signal.SIGKILL) -> None:
    """Leave Ctrl-C to the parent, and send this process a signal once the parent is gone, however it went.

    Args:
        signum: KILL ends it at once; TERM lets it keep what it has done.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_parent, args=(signum,), daemon=True).start()


def start_on_one_thread() -> None:
    """Follow the parent, and compute on one thread, in libraries that are loaded already and in those to come."""
    follow_parent()
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)


def _wait_for_parent(signum: int) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signum)
