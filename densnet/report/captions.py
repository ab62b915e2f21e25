"""Titles and captions of the figures; what stands in braces is filled in from the files that a figure shows."""

from __future__ import annotations

TITLES: dict[str, str] = {
    "density_map": "Electron density in a plane",
    "density_error": "Error of the density",
    "potential": "Electrostatic potential around the molecule",
    "learning_density": "Learning the density",
    "learning_energy": "Learning the energy",
    "parity": "Energies, forces and dipoles of held-out frames",
    "calibration": "Does the ensemble know its error?",
    "energy_conservation": "Energy conservation",
    "spectrum": "Infrared spectrum",
    "motions": "Motions and harmonic frequencies",
    "timings": "Time and memory of every stage",
}

FAMILY_ORDER: tuple[str, ...] = (
    "lengths",
    "spectra",
    "along_trajectories",
    "torsion_angles",
    "chain_ends",
    "torsions",
)

ORDER: tuple[str, ...] = (
    "spectrum",
    "motions",
    "density_map",
    "density_error",
    "potential",
    "parity",
    "calibration",
    "energy_conservation",
    "learning_density",
    "learning_energy",
    "timings",
)

CAPTIONS: dict[str, str] = {
    "density_map": (
        "{system}, test frame {frame} (the one with the median error), in the plane of {plane}. (a) Predicted "
        "density. (b) What is learned: the fitted density less the superposed free atoms. (c) The model's error: "
        "predicted less fitted density, on a scale {ratio:.2g} times finer than (b).{floor} Reference {level}; density "
        "fitted in {fit_basis}. Symbols mark nuclei within 0.4 Å of the plane."
    ),
    "density_error": (
        "{system}, {n_test} test frames, model trained on {n_train} (seed {seed}). (a) Normalised mean absolute "
        "error of each frame: superposed free atoms against the fitted density (prior), the model against the "
        "Kohn–Sham and the fitted density, and the fit against Kohn–Sham (floor); bars are medians. (b) Where the "
        "error sits: share of the electrons misplaced within a shell around the nearest nucleus, mean of "
        "{n_radial} frames. (c) Electrons misplaced in the cell (Becke) of an atom of each element, and the share of "
        "the whole error that all its atoms have. Reference {level}."
    ),
    "potential": (
        "{system}, test frame {frame} (the one with the median error), seen along the normal of the plane of {plane}: "
        "the nearer side of the merged spheres of {scale:g} van der Waals radii. (a) Electrostatic potential of the "
        "{reference}. (b) The potential of the predicted density less that (RMS {rms:.3g} mV here). (c) RMS error on "
        "surfaces of 1.4 to 2.0 van der Waals radii (Singh and Kollman's points), mean and range of {n_test} test "
        "frames; the model deviates by {relative:.3g} % of the potential from the fit. Reference {level}."
    ),
    "learning_density": (
        "{system}, density model, {n_train} training frames, seed {seed}: (a) training loss; then the errors on "
        "the validation frames against the number of optimiser steps ({steps} steps in {minutes:.1f} minutes)."
    ),
    "learning_energy": (
        "{system}, energy model on the predicted density, {n_train} training frames, seed {seed}: (a) training "
        "loss; then the errors on the validation frames against the number of optimiser steps ({steps} steps in "
        "{minutes:.1f} minutes)."
    ),
    "parity": (
        "{system}, {n_test} test frames against {level}: (a) total energy from the mean of the reference, (b) "
        "components of the forces, (c) components of the dipole. Mean absolute errors are written in the panels "
        "(dipole: length of the error vector)."
    ),
    "calibration": (
        "{system}, {n_test} test frames, ensemble of {n_members} pairs of models trained on {n_train} frames with "
        "different seeds: error of the mean against the standard deviation over the members, root mean squares in bins "
        "of rising spread, and where both are equal. (a) Density: integral over each atom's cell (Becke) of the "
        "deviation from the fit, against the one expected of a normal distribution, (2/π)^½ ∫σ. (b) Dipole: "
        "length of the error vector. (c) Energy. (d) Force: root mean square over the components of each atom. The "
        "scale is the factor that makes the spread that of the errors, ⟨error²/spread²⟩^½; what all members get wrong "
        "alike, and the mean's being better than a member, are in it. Reference {level}."
    ),
    "energy_conservation": (
        "{system}, {n_replicas} replicas of {ps:.2f} ps at constant energy, started at {temperature:.0f} K, step "
        "{timestep:g} fs. (a) Total energy per atom from its initial value: every replica, median and the middle "
        "90 %. (b) Linear drift of each replica{peer_note}. Drift over all replicas as the run measured it: "
        "{drift:.3g} meV/atom/ps."
    ),
    "spectrum": (
        "{system}, infrared absorption from the dipoles of {n_replicas} replicas of {ps:.2f} ps (window {window}, "
        "resolution {resolution:g} 1/cm, quantum correction {correction}), mean with two standard errors over "
        "replicas. {peer_note}{stick_note}{jcamp_note}Numbers are the strongest lines."
    ),
    "motions": (
        "{system}. (a) Infrared absorption from dynamics at {temperature:.0f} K, as above{harmonic_note}. (b) Kinetic "
        "energy of the same trajectory by kind of motion, over k_B T/2: degrees of freedom per wavenumber. Bends are "
        "what they add to stretches, torsions what they add to both; the rest is the motion of the whole. Strongest "
        "lines: {lines}."
    ),
    "timings": (
        "{system}: (a) wall time of every rule, summed over its jobs (how many, and the longest, in brackets); (b)"
        " largest resident memory of a job. From the benchmark files of the workflow."
    ),
}
