"""Level of theory of the labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Literal

from annotated_types import Le, Unit

from densnet.settings import Choices, Count, Operational, Positive, Settings, Text

# fmt: off
FUNCTIONALS = (
    "HF", "SVWN", "BLYP", "BP86", "PBE", "revPBE", "RPBE", "PW91", "mPWPW", "SOGGA11", "N12", "HCTH120", "HCTH407",
    "B97-D", "TPSS", "revTPSS", "M06-L", "M11-L", "MN12-L", "MN15-L", "SCAN", "r2SCAN", "B97M-V", "VV10", "PBE0",
    "PBE50", "revPBE0", "B3LYP", "B3LYP5", "revB3LYP", "B3PW91", "B3P86", "X3LYP", "O3LYP", "B1LYP", "BHandH",
    "BHandHLYP", "B97-1", "B97-2", "B97-3", "mPW1PW", "mPW1K", "TPSSh", "revTPSSh", "PW6B95", "BB1K", "M05", "M05-2X",
    "M06", "M06-2X", "M06-HF", "M08-HX", "M08-SO", "MN15", "r2SCAN0", "HSE03", "HSE06", "CAM-B3LYP",
    "TUNED-CAM-B3LYP", "LRC-wPBEh", "LC-VV10", "wB97", "wB97X", "wB97X-D", "wB97X-V", "wB97M-V", "M11", "N12-SX",
    "MN12-SX",
)
# fmt: on
"""Psi4's functionals without MP2 correlation and without an external dispersion program."""
Program = Literal["auto", "psi4", "pyscf"]
AUTO: Final = "auto"
PSI4: Final = "psi4"
PYSCF: Final = "pyscf"
PROGRAMS = (PSI4, PYSCF)
UNSAID: Final = "not said"
"""Functional or basis of labels that other codes made and whose file does not name them."""


@dataclass(frozen=True)
class LevelOfTheory(Settings):
    """How energy, gradient, dipole and density are computed (restricted, density-fitted SCF)."""

    functional: Annotated[Text, Choices(FUNCTIONALS)] = "PBE"
    """HF or a density functional, by Psi4's name of it."""
    basis: Text = "def2-SVP"
    """Orbital basis, any all-electron one of the Basis Set Exchange; spherical harmonics are used throughout."""
    dispersion: Literal["none", "d4"] = "none"
    """none, or d4: D4 by the dftd4 package, added to energy and forces."""
    program: Program = AUTO
    """psi4, pyscf, or auto: Psi4 where it is found, otherwise PySCF. Never both in one run (docs/levels.md)."""
    energy_convergence: Annotated[Positive, Le(1e-4), Unit("Hartree")] = 1e-7
    """Largest change of the energy in the last iteration of the SCF; its error is then some hundred times smaller."""
    density_convergence: Annotated[Positive, Le(1e-3), Unit("atomic units")] = 1e-6
    """Largest root mean square of the orbital gradient at convergence."""
    max_iterations: Count = 100
    """SCF iterations before a frame is given up."""
    memory_gib: Annotated[Positive, Unit("GiB"), Operational] = 1.0
    """Memory that the program may use in each process."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)

    def decisive(self) -> dict[str, Any]:
        """Return the fields that decide the result, of a program those of another than Psi4, once the only one."""
        without = {"memory_gib", *(["program"] if self.program == PSI4 else [])}
        return {name: value for name, value in asdict(self).items() if name not in without}

    @property
    def name(self) -> str:
        """The level in one phrase, e.g. "PBE-D4/def2-SVP"."""
        return level_name(self.functional, self.basis, self.dispersion)


def level_name(functional: str, basis: str, dispersion: str) -> str:
    """Return a level of theory in one phrase, e.g. "PBE-D4/def2-SVP"."""
    return f"{functional}{'' if dispersion == 'none' else f'-{dispersion.upper()}'}/{basis}"


def level_in(name: str) -> dict[str, str]:
    """Return functional, orbital_basis and dispersion of what :func:`level_name` wrote, nothing of an empty phrase."""
    method, _, basis = name.strip().partition("/")
    if not method:
        return {}
    functional = method.removesuffix("-D4")
    return {
        "functional": functional,
        "orbital_basis": basis or UNSAID,
        "dispersion": "none" if functional == method else "d4",
    }
