"""GFN1-xTB, a tight-binding method for molecules and crystals, as an ASE calculator."""

from __future__ import annotations

from typing import Any


def gfn1_xtb() -> Any:
    """Return GFN1-xTB (Grimme, Bannwarth, Shushkov, J. Chem. Theory Comput. 13, 1989 (2017)) by tblite."""
    from tblite.ase import TBLite

    return TBLite(method="GFN1-xTB", verbosity=0)
