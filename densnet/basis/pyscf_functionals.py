"""Psi4's functionals by the names that PySCF reads, most of them libxc's.

Their energies of water in def2-SVP are within 1 meV of Psi4's, most within 0.01 meV; the largest differences are those
of range separation, whose integrals the two programs fit in different ways.
"""

from __future__ import annotations

import difflib

from densnet.errors import DensnetError

# fmt: off
LIBXC: dict[str, str] = {
    "HF": "HF", "SVWN": "LDA,VWN_RPA", "BLYP": "BLYP", "BP86": "B88,P86", "PBE": "PBE", "revPBE": "PBE_R,PBE",
    "RPBE": "RPBE,PBE", "PW91": "PW91", "mPWPW": "mPW91,PW91", "SOGGA11": "SOGGA11,SOGGA11", "N12": "N12,N12",
    "HCTH120": "XC_GGA_XC_HCTH_120", "HCTH407": "XC_GGA_XC_HCTH_407", "B97-D": "XC_GGA_XC_B97_D", "TPSS": "TPSS",
    "revTPSS": "revTPSS,revTPSS", "M06-L": "M06_L", "M11-L": "M11_L", "MN12-L": "MN12_L", "MN15-L": "MN15_L",
    "SCAN": "SCAN", "r2SCAN": "r2SCAN", "B97M-V": "B97M_V", "VV10": "XC_GGA_XC_VV10", "PBE0": "PBE0",
    "PBE50": "0.5*HF+0.5*PBE,PBE", "revPBE0": "0.25*HF+0.75*PBE_R,PBE", "B3LYP": "B3LYPG", "B3LYP5": "B3LYP5",
    "revB3LYP": "XC_HYB_GGA_XC_REVB3LYP", "B3PW91": "B3PW91", "B3P86": "B3P86", "X3LYP": "X3LYP", "O3LYP": "O3LYP",
    "B1LYP": "B1LYP", "BHandH": "XC_HYB_GGA_XC_BHANDH", "BHandHLYP": "XC_HYB_GGA_XC_BHANDHLYP",
    "B97-1": "XC_HYB_GGA_XC_B97_1", "B97-2": "XC_HYB_GGA_XC_B97_2", "B97-3": "XC_HYB_GGA_XC_B97_3",
    "mPW1PW": "mPW1PW", "mPW1K": "mPW1K", "TPSSh": "TPSSh", "revTPSSh": "revTPSSh", "PW6B95": "PW6B95",
    "BB1K": "BB1K", "M05": "M05", "M05-2X": "M05_2X", "M06": "M06", "M06-2X": "M06_2X", "M06-HF": "M06_HF",
    "M08-HX": "XC_HYB_MGGA_X_M08_HX,XC_MGGA_C_M08_HX", "M08-SO": "XC_HYB_MGGA_X_M08_SO,XC_MGGA_C_M08_SO",
    "MN15": "MN15", "r2SCAN0": "r2SCAN0", "HSE03": "HSE03", "HSE06": "HSE06", "CAM-B3LYP": "CAMB3LYP",
    "TUNED-CAM-B3LYP": "XC_HYB_GGA_XC_TUNED_CAM_B3LYP", "LRC-wPBEh": "XC_HYB_GGA_XC_LRC_WPBEH",
    "LC-VV10": "XC_HYB_GGA_XC_LC_VV10", "wB97": "wB97", "wB97X": "wB97X", "wB97X-V": "wB97X_V",
    "wB97M-V": "wB97M_V", "M11": "XC_HYB_MGGA_X_M11,XC_MGGA_C_M11", "N12-SX": "N12_SX", "MN12-SX": "MN12_SX",
}
# fmt: on
OWN_DISPERSION = "wB97X-D"
"""Chai's and Head-Gordon's dispersion, which is a part of this functional, is in Psi4 alone."""


def libxc_name(functional: str) -> str:
    """Return PySCF's name of a functional of Psi4's; names are insensitive to case.

    Raises:
        DensnetError: PySCF lacks it.
    """
    by_name = {name.lower(): libxc for name, libxc in LIBXC.items()}
    if functional.lower() in by_name:
        return by_name[functional.lower()]
    if functional.lower() == OWN_DISPERSION.lower():
        raise DensnetError(f"functional: PySCF lacks {OWN_DISPERSION}'s dispersion; set program to psi4")
    close = difflib.get_close_matches(functional.lower(), list(by_name), n=3, cutoff=0.6)
    named = [name for name in LIBXC if name.lower() in close]
    hint = f"did you mean {', '.join(named)}?" if named else "set program to psi4 or choose another"
    raise DensnetError(f"functional: {functional!r} is not one that PySCF computes here; {hint}")
