"""All figures of one system: those of the modules beside this one that are called ``*_figures``."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from densnet.report.calibration import has_spread
from densnet.report.sources import Sources
from densnet.report.style import Drawing, Picture

_MODULES = [name for _, name, _ in pkgutil.iter_modules([str(Path(__file__).parent)]) if name.endswith("_figures")]
_CONTENTS = [drawn for name in _MODULES for drawn in vars(import_module(f"densnet.report.{name}")).values()]
DRAWINGS: tuple[Drawing[[Sources]], ...] = tuple(
    sorted((drawn for drawn in _CONTENTS if isinstance(drawn, Drawing)), key=lambda drawn: drawn.place)
)


def draw_figures(sources: Sources) -> Iterator[Picture]:
    """Yield the figures one by one, those for which enough is known."""
    known = {
        "system": True,
        "ensemble": has_spread(sources.evaluation),
        "convergence": "convergence_pearson" in sources.spectrum,
        "assignment": sources.assignment is not None,
        "raman": sources.raman is not None,
        "ladder": bool(sources.ladder),
        "robustness": bool(sources.robustness),
        "benchmarks": sources.benchmarks is not None,
    }
    for draw in DRAWINGS:
        if known.get(draw.of, False):
            yield draw(sources)
