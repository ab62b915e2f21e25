"""How models of others are trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Unit

from densnet.errors import DensnetError
from densnet.settings import Count, Natural, Positive, Settings, Text

Size = Literal["small", "large"]


@dataclass(frozen=True)
class MaceSettings(Settings):
    """What is trained and for how long."""

    size: Size = "small"
    """Hidden irreps 32x0e + 32x1o (small) or 64x0e + 64x1o (large)."""
    foundation: Text | None = None
    """Model file of MACE whose weights the training begins with; its size is then that model's."""
    learning_rate: Positive = 0.01
    """The largest of the schedule; a foundation that is nearly right already asks for less."""
    minutes: Annotated[Positive, Unit("min")] = 30.0
    """Wall time of the training; the learning rate falls to its end within it."""
    epochs: Count | None = None
    """Stop after so many passes over the training frames, if that is earlier; the result then does not depend on the
    machine's speed."""
    n_train: Count | None = None
    """Training frames to use, the first so many; all if not given."""
    seed: Natural = 1
    """Of initial weights and batches."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.foundation is not None and self.size != "small":
            raise DensnetError(f"size: a foundation has its own, found {self.size} beside it; leave one of them out")
