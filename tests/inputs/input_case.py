"""One kind of file that users have, what it holds, and what becomes of it: the rows of docs/inputs.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

READ, SAID, REFUSED = "read", "read, and said", "refused"


@dataclass(frozen=True)
class InputCase:
    """A file of a stranger.

    Attributes:
        content: what is particular about it, in words of the page.
        outcome: one of :data:`READ`, :data:`SAID`, :data:`REFUSED`.
        words: of what is printed or raised; "" where nothing is.
        make: what a test needs to make the file; its table says what it is given and returns.
    """

    content: str
    outcome: str
    words: str
    make: Callable[..., Any]

    def __str__(self) -> str:
        return self.content.replace(" ", "_")
