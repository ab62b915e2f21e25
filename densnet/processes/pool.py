"""Maps over worker processes, each on one thread, that end with their parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from densnet.errors import DensnetError
from densnet.processes.worker import start_on_one_thread

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
    elif items:
        with _pool(min(processes, len(items))) as pool:
            yield from pool.map(function, items)


def as_they_end(
    function: Callable[[Item], Result], items: Sequence[Item], *, processes: int
) -> Generator[tuple[Item, Result]]:
    """Yield each item with ``function(item)`` as soon as it is there, always computed in workers; closed, it ends them.

    Args:
        function: a module's own function (or a partial of one), for it travels to the workers.
        processes: how many workers; each computes on a single thread.

    Raises:
        DensnetError: of any item, or a worker was killed; the others are ended.
    """
    if items:
        with _pool(min(processes, len(items))) as pool:
            futures = {pool.submit(function, item): item for item in items}
            for future in as_completed(futures):
                yield futures[future], future.result()


@contextlib.contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Start fresh interpreters, for forking a process that has OpenMP threads may hang it; end them at any error."""
    pool = ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("spawn"), initializer=start_on_one_thread
    )
    try:
        yield pool
    except BaseException as error:
        for process in list((pool._processes or {}).values()):
            process.kill()
        if isinstance(error, BrokenProcessPool):
            raise DensnetError(
                "a worker process was killed (out of memory?); run again with fewer processes or more memory"
            ) from error
        raise
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
