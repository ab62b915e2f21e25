"""Input files of i-PI: a folder a replica, with two inputs, to thermalise and to produce.

Of P beads i-PI moves the ring polymer

    H = Σ_i Σ_b [p_ib² / 2 m_i + m_i ω_P² |r_ib - r_i(b+1)|² / 2] + Σ_b V(r_1b, r_2b, ...),   ω_P = P k_B T / ħ,

with the exact propagation of the free ring polymer. Both inputs use its thermostat "pile_l" (Ceriotti, Parrinello,
Markland, Manolopoulos, J. Chem. Phys. 133, 124104 (2010)): Langevin's on the centroid, and on the other modes one of
half the critical damping, as thermostatted ring polymer dynamics has it (Rossi, Ceriotti, Manolopoulos, J. Chem. Phys.
140, 234116 (2014)). The thermostat acts in the middle of a step, not at its ends: positions are then sampled far better
at the same time step (Liu, Li, Liu, J. Chem. Phys. 145, 024103 (2016)), and so is the primitive kinetic energy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.dynamics.settings import DynamicsSettings
from densnet.engines.ipi_driver import JOB
from densnet.engines.settings import RingPolymerSettings
from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.potential import Array

METHOD_VERSION: int = 2

RUN = "run.json"
"""In the folder of all replicas: what the run is."""
PHASES = ("thermalise", "production")
"""Inputs of a replica in the order in which they run; each begins where the one before has ended."""
START, DRIVER = "start.xyz", "densnet_driver.py"
LAMBDA = 0.5
"""Share of critical damping of the ring polymer's modes."""
NEVER_FS = 1e12
"""Damping time of a centroid that moves freely."""
EMPTY = 100.0
"""Angstrom of i-PI's cell beyond the molecule's own size; nothing looks at it, but i-PI must have one."""

DRIVER_TEXT = '''"""What i-PI loads: the model that driver.json names."""

from densnet.engines.ipi_driver import ModelDriver

__DRIVER_NAME__ = "densnet"
__DRIVER_CLASS__ = "ModelDriver"
'''


def ending(phase: str) -> str:
    """Return the name of the checkpoint that a phase leaves when it is done."""
    return f"{phase}.end"


def write_ipi_inputs(
    folder: Path,
    start: Array,
    numbers: NDArray[np.int64],
    masses: Array,
    settings: DynamicsSettings,
    ring: RingPolymerSettings,
    model: Mapping[str, Any],
    *,
    zero: float,
) -> list[Path]:
    """Write the folder of each replica, ``00`` and so on, and return them; a run that has begun stays as it is.

    Args:
        start: starting geometries (r, i, x) in Angstrom.
        masses: (i,) in Da.
        model: of the driver: ``model``, a file, ``dtype``, ``recorded`` and whatever else decides the result.
        zero: eV that i-PI takes off every energy, since it writes nine digits.

    Raises:
        DensnetError: the folder holds another run, or cannot be written.
    """
    wanted = {
        "settings": asdict(settings),
        "ring_polymer": asdict(ring),
        "numbers": numbers.tolist(),
        "masses": masses.tolist(),
        "start": start.tolist(),
        "zero": zero,
        "method_version": METHOD_VERSION,
        **model,
    }
    run = _claimed(folder, wanted)
    folders = [folder / f"{r:02d}" for r in range(len(start))]
    for r, replica in enumerate(folders):
        names = [chemical_symbols[number] for number in numbers]
        rows = [f"{name} {x:.12f} {y:.12f} {z:.12f}" for name, (x, y, z) in zip(names, start[r], strict=True)]
        write_text(replica / START, "\n".join([str(len(rows)), "positions{angstrom} cell{angstrom}", *rows]) + "\n")
        write_text(replica / JOB, json.dumps({**model, "numbers": numbers.tolist()}, indent=1) + "\n")
        write_text(replica / DRIVER, DRIVER_TEXT)
        size = EMPTY + float(np.ptp(start[r], axis=0).max())
        for phase in PHASES:
            xml = _input(phase, masses, size, settings, ring, seed=settings.seed + r, zero=run["zero"])
            write_text(replica / f"{phase}.xml", xml)
    return folders


def read_run(folder: Path) -> dict[str, Any]:
    """Return what :func:`write_ipi_inputs` wrote of a run.

    Raises:
        DensnetError: the folder has no such file, or one that cannot be read.
    """
    path = Path(folder) / RUN
    try:
        run: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DensnetError(f"{path}: expected what 'densnet engine ipi' wrote, found none ({error})") from error
    return run


def _claimed(folder: Path, run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave what the run is in its folder, or return what the same run has left there; refuse another one."""
    if not (folder / RUN).exists():
        write_text(folder / RUN, json.dumps(run) + "\n")
        return run
    begun = read_run(folder)
    # the zero of energy may be rounded in another way
    if json.loads(json.dumps({**run, "zero": begun.get("zero")})) != begun:
        raise DensnetError(f"{folder}: expected a new folder, found a run of other settings; choose another folder")
    return begun


def _input(
    phase: str,
    masses: Array,
    size: float,
    settings: DynamicsSettings,
    ring: RingPolymerSettings,
    *,
    seed: int,
    zero: float,
) -> str:
    """Return the XML of a phase."""
    if phase == "thermalise":
        steps = round(settings.thermalise_ps * 1e3 / settings.timestep_fs)
        motion = _dynamics(settings, 1e3 / settings.friction_per_ps)
        origin = f"""<file mode='xyz' units='angstrom'>{START}</file>
      <masses mode='manual' units='dalton'>[ {", ".join(f"{mass:.8f}" for mass in masses)} ]</masses>
      <velocities mode='thermal' units='kelvin'>{settings.temperature}</velocities>"""
        outputs = ""
    else:
        steps = round(settings.production_ps * 1e3 / settings.timestep_fs)
        damped = {"none": None, "internal": NEVER_FS, "all": 1e3 / settings.friction_per_ps}
        motion = _dynamics(settings, damped[ring.production_thermostat])
        origin = f"<file mode='chk'>{ending('thermalise')}</file>"
        outputs = f"""
    <trajectory filename='positions' stride='{settings.stride}'>x_centroid{{angstrom}}</trajectory>
    <trajectory filename='velocities' stride='{settings.stride}'>v_centroid</trajectory>
    <trajectory filename='dipole' stride='{settings.stride}' extra_type='dipole'>extras</trajectory>"""
    return f"""<simulation verbosity='low' threading='false' safe_stride='{settings.chunk_steps}'>
  <output prefix='{phase}'>
    <properties filename='properties' stride='{settings.stride}'>[ step, time{{femtosecond}}, conserved{{electronvolt}},
      temperature{{kelvin}}, potential{{electronvolt}}, kinetic_md{{electronvolt}}, kinetic_cv{{electronvolt}},
      kinetic_td{{electronvolt}} ]</properties>{outputs}
    <checkpoint filename='checkpoint' stride='{settings.chunk_steps}' overwrite='true'/>
  </output>
  <total_steps>{steps}</total_steps>
  <prng><seed>{seed}</seed></prng>
  <ffdirect name='densnet'>
    <offset units='electronvolt'>{zero!r}</offset>
    <pes>custom</pes>
    <pes_path>{DRIVER}</pes_path>
    <batch_size>{ring.beads}</batch_size>
  </ffdirect>
  <system>
    <initialize nbeads='{ring.beads}'>
      {origin}
      <cell mode='abc' units='angstrom'>[ {size:.3f}, {size:.3f}, {size:.3f} ]</cell>
    </initialize>
    <forces><force forcefield='densnet'/></forces>
    <ensemble><temperature units='kelvin'>{settings.temperature}</temperature></ensemble>
    {motion}
  </system>
</simulation>
"""


def _dynamics(settings: DynamicsSettings, damping_fs: float | None) -> str:
    """Return the motion at constant energy, or with a thermostat whose centroid has that damping time."""
    timestep = f"<timestep units='femtosecond'>{settings.timestep_fs}</timestep>"
    if damping_fs is None:
        return f"<motion mode='dynamics'><dynamics mode='nve'>{timestep}</dynamics></motion>"
    return f"""<motion mode='dynamics'><dynamics mode='nvt' splitting='baoab'>{timestep}
      <thermostat mode='pile_l'>
        <tau units='femtosecond'>{damping_fs}</tau><pile_lambda>{LAMBDA}</pile_lambda>
      </thermostat>
    </dynamics></motion>"""
