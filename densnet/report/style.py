"""How figures look, and how they are written with their caption inside."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import Any, Generic, Literal, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.io.netcdf import write_atomically

_Outside = Literal["outside upper right", "outside upper center", "outside lower right"]
STYLE = Path(__file__).with_name("page.mplstyle")


@dataclass(frozen=True)
class Picture:
    """A finished figure.

    Attributes:
        name: of its file, without the ending.
        caption: what is seen and how it was made.
        place: on the page, among the others of its system or family.
    """

    name: str
    title: str
    caption: str
    png: bytes
    place: int


Drawn = tuple[Figure, dict[str, Any]]
"""A figure, and the words that its title and caption leave open."""
P = ParamSpec("P")


@dataclass(frozen=True)
class Drawing(Generic[P]):
    """How a figure is drawn, and what stands below it.

    Attributes:
        title: as the caption with words in braces, which are filled in by what is drawn.
        of: what must be known for it.
        draw: draws it from its sources.
    """

    place: int
    title: str
    caption: str
    of: str
    draw: Callable[P, Drawn]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Picture:
        """Draw the figure in the style of the page."""
        with matplotlib.rc_context(fname=STYLE):
            figure, words = self.draw(*args, **kwargs)
            name = str(words.get("name", self.draw.__name__))
            return picture(figure, name, self.title.format(**words), self.caption.format(**words), self.place)


def drawing(place: int, title: str, caption: str, of: str = "system") -> Callable[[Callable[P, Drawn]], Drawing[P]]:
    """Make a :class:`Drawing` of the function below, whose name is that of the file."""
    return lambda draw: Drawing(place, title, caption, of, draw)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches, drawn without a display."""
    return Figure(figsize=(width, height), layout="constrained")


def write_letters(panels: Iterable[Axes]) -> None:
    """Write (a), (b) ... above the upper left corners."""
    for axes, letter in zip(panels, ascii_lowercase, strict=False):
        axes.set_title(f"({letter})", loc="left", fontweight="bold")


def lettered_panels(
    width: float, height: float, rows: int, columns: int, **spacing: Any
) -> tuple[Figure, NDArray[np.object_]]:
    """Return a figure of that size in inches and its panels in the order of reading, with letters."""
    figure = new_figure(width, height)
    panels = figure.subplots(rows, columns, squeeze=False, **spacing).ravel()
    write_letters(panels)
    return figure, panels


def legend_above(axes: Axes, columns: int) -> None:
    """Put a panel's legend above its right corner, where the row of panels has its letter."""
    shown = axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns, borderaxespad=0.2)
    # it reaches over the neighbour, and must not push it away
    shown.set_in_layout(False)


def legend_outside(figure: Figure, panels: Iterable[Axes], place: _Outside = "outside upper right") -> None:
    """Put one legend of some panels beside all of them, where it covers no curve, each label once."""
    shown = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    if shown:
        figure.legend(list(shown.values()), list(shown), loc=place, ncols=min(len(shown), 5))


def logarithmic_heights(axes: Axes) -> None:
    """Make the y axis logarithmic, with ticks in plain decimals that are close enough for what is drawn so far."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    subs: tuple[float, ...] = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8)
    if high > 10 * low:
        subs = (1, 2, 5)
    elif high > 3 * low:
        subs = (1, 1.5, 2, 3, 4, 5, 6, 7, 8)
    plain_decimals(axes.yaxis, subs)


def plain_decimals(axis: Axis, subs: Sequence[float]) -> None:
    """Write plain decimals at these multiples of the powers of ten of a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def picture(figure: Figure, name: str, title: str, caption: str, place: int = 0) -> Picture:
    """Return the figure as a PNG whose text fields hold title, caption and place."""
    stream, said = io.BytesIO(), {"Title": title, "Description": caption, "Place": str(place), "Software": "densnet"}
    figure.savefig(stream, format="png", metadata=said)
    return Picture(name, title, caption, stream.getvalue(), place)


def write_picture(shown: Picture, folder: Path) -> Path:
    """Write ``folder``/name.png atomically and return its path."""
    path = Path(folder) / f"{shown.name}.png"
    write_atomically(path, lambda temporary: temporary.write_bytes(shown.png))
    return path


def read_picture(path: Path) -> Picture:
    """Read a figure and the caption in its text fields."""
    from PIL import Image

    path = Path(path)
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            text = dict(image.info)
    except (OSError, SyntaxError, ValueError) as error:
        raise DensnetError(f"{path}: not a readable PNG ({error}); run 'densnet figures' again") from error
    if text.get("Software") != "densnet" or "Description" not in text:
        raise DensnetError(f"{path}: not a figure of 'densnet figures' (no caption inside); run it again")
    return Picture(path.stem, str(text["Title"]), str(text["Description"]), content, int(text.get("Place", 0)))
