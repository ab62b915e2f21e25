"""What ends a verb before its work is done: a user's mistake, or a request to stop."""

from __future__ import annotations

import signal


class DensnetError(Exception):
    """Bad input, a missing program or a file that is not what it should be.

    The message is one line: the name of the field or file, what was expected, what came and
    what to do. The command line prints it without a traceback and exits with status 1.
    """


class Stopped(BaseException):
    """TERM or USR1 came, as schedulers send before a job's time is over; no ``except Exception`` takes it.

    The command line prints the message and exits with the status that shells give a process killed by this signal.

    Args:
        signum: the signal.
        done: how far the work is and where that is kept.
    """

    def __init__(self, signum: int, done: str = "") -> None:
        self.signum, self.done = signum, done
        where = f"{done}; " if done else ""
        super().__init__(f"stopped by {signal.Signals(signum).name}; {where}the same command goes on from here")
