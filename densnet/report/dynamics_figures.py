"""Whether constant-energy dynamics keeps its energy."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import xarray as xr
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from densnet.report.palette import MODEL, PEERS
from densnet.report.sources import Sources
from densnet.report.style import Drawn, drawing, legend_above, lettered_panels
from densnet.units import EV_IN_MEV

Array = NDArray[np.float64]

MAX_POINTS = 1000
"""Points drawn of each replica."""


def energy_deviation(trajectory: xr.Dataset) -> tuple[Array, Array]:
    """Return times (t,) in ps and the total energy per atom from its start (replica, t), meV."""
    total = trajectory["energy_potential"] + trajectory["energy_kinetic"]
    values = np.asarray(total.transpose("replica", "time"), dtype=float)
    time = np.asarray(trajectory["time"], dtype=float) / 1e3
    n_atoms = trajectory.sizes["atom"]
    return time, EV_IN_MEV * (values - values[:, :1]) / n_atoms


def drifts(trajectory: xr.Dataset) -> Array:
    """Return the slope of each replica's total energy by linear regression (replica,), meV/atom/ps."""
    time, deviation = energy_deviation(trajectory)
    return np.polyfit(time, deviation.T, 1)[0]


@drawing(
    8,
    "Energy conservation",
    "{system}, {n_replicas} replicas of {ps:.2f} ps at constant energy, started at {temperature:.0f} K, step "
    "{timestep:g} fs. (a) Total energy per atom from its initial value: every replica, median and the middle "
    "90 %. (b) Linear drift of each replica{peer_note}. Drift over all replicas as the run measured it: "
    "{drift:.3g} meV/atom/ps.",
)
def energy_conservation(sources: Sources) -> Drawn:
    """Draw the total energy of all replicas over time, and the distribution of their drifts."""
    trajectory = sources.trajectory
    time, deviation = energy_deviation(trajectory)
    step = max(1, len(time) // MAX_POINTS)
    time, deviation = time[::step], deviation[:, ::step]
    figure, (left, right) = lettered_panels(8.6, 3.2, 1, 2, width_ratios=[1.5, 1.0])
    left.plot(time, deviation.T, color=MODEL, lw=0.4, alpha=float(np.clip(8 / len(deviation), 0.05, 0.6)))
    low, middle, high = np.quantile(deviation, [0.05, 0.5, 0.95], axis=0)
    left.fill_between(time, low, high, color=MODEL, alpha=0.25, lw=0, label="middle 90 %")
    left.plot(time, middle, color="black", lw=1.2, label="median")
    left.set(xlim=(time[0], time[-1]), xlabel="time [ps]", ylabel="E(t) − E(0) [meV/atom]")
    left.grid()
    legend_above(left, 2)
    shown = [("model", drifts(trajectory), MODEL)]
    for peer, colour in zip(sources.peer_trajectories, cycle(PEERS), strict=False):
        shown.append((str(peer.attrs.get("potential", "peer")), drifts(peer), colour))
    reach = max(float(np.abs(values).max()) for _, values, _ in shown) or 1e-6
    edges = np.linspace(-1.05 * reach, 1.05 * reach, 42)
    for name, values, colour in shown:
        label = f"{name} (mean {values.mean():.2g})"
        right.hist(values, edges, color=colour, alpha=0.4, label=label, histtype="stepfilled", ec=colour)
    room = 1 + 0.12 * len(shown)
    right.axvline(0, 0, 1 / room, color="black", lw=0.7)
    right.xaxis.set_major_locator(MaxNLocator(5))
    right.set(xlabel="drift of a replica [meV/atom/ps]", ylabel="replicas", ylim=(0, right.get_ylim()[1] * room))
    right.yaxis.get_major_locator().set_params(integer=True)
    right.legend(loc="upper left", frameon=True, framealpha=0.9, edgecolor="none")
    attrs = trajectory.attrs
    words = {
        "n_replicas": trajectory.sizes["replica"],
        "ps": float(time[-1] - time[0]),
        "temperature": float(attrs["temperature_k"]),
        "timestep": float(attrs["timestep_fs"]),
        "peer_note": f", beside those of {' and '.join(name for name, *_ in shown[1:])}" if len(shown) > 1 else "",
        "drift": float(attrs["nve_drift_mev_per_atom_per_ps"]),
    }
    return figure, sources.words | words
