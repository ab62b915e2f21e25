"""The one exception that a user may cause: a clear line that says what to do."""

from __future__ import annotations


class DensnetError(Exception):
    """Bad input, a missing program or a file that is not what it should be.

    The message is one line: the name of the field or file, what was expected, what came and
    what to do. The command line prints it without a traceback and exits with status 1.
    """
