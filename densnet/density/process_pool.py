"""An ordered map over worker processes, each on one thread, that ends with its parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from densnet.errors import DensnetError

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_processes(function: Callable[[Item], Result], items: Sequence[Item], *, processes: int) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in order; the same values for any number of processes.

    Args:
        function: a module's own function (or a partial of one), for it travels to the workers.
        processes: how many workers; each computes on a single thread. One is this process itself.

    Raises:
        DensnetError: fewer than one process, or a worker was killed (most often for want of memory).
    """
    if processes < 1:
        raise DensnetError(f"processes: expected at least 1, got {processes}")
    if processes == 1:
        for item in items:
            with one_thread():
                result = function(item)
            yield result
        return
    if not items:
        return
    # Forking a process that has OpenMP threads may hang it: start fresh interpreters.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(items)), mp_context=context, initializer=_start_worker)
    try:
        yield from pool.map(function, items)
    except BrokenProcessPool as error:
        raise DensnetError(
            "a worker process was killed (out of memory?); run again with fewer processes or more memory"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, in PySCF and in BLAS, for a while, or as a decorator for a whole function.

    BLAS adds up in another order on several threads, so that the last digits would depend on the number of cores.
    """
    import pyscf.lib
    import scipy.linalg  # noqa: F401  (its BLAS must be loaded before it can be limited)
    from threadpoolctl import threadpool_limits

    with pyscf.lib.with_omp_threads(1), threadpool_limits(limits=1):
        yield


def report_progress(stage: str, done: int, total: int) -> None:
    """Write the frames done to stderr: a line redrawn in place on a terminal, each tenth of the way elsewhere."""
    if sys.stderr.isatty():
        print(
            f"\rdensnet {stage}: {done}/{total} frames", end="\n" if done == total else "", file=sys.stderr, flush=True
        )
    elif done == total or (done * 10) // total != ((done - 1) * 10) // total:
        print(f"densnet {stage}: {done}/{total} frames", file=sys.stderr, flush=True)


def _start_worker() -> None:
    """Compute on one thread, leave Ctrl-C to the parent, and end when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    import pyscf.lib
    import scipy.linalg  # noqa: F401  (its BLAS must be loaded before it can be limited)
    from threadpoolctl import threadpool_limits

    pyscf.lib.num_threads(1)
    threadpool_limits(limits=1)


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
