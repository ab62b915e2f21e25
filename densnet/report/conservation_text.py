"""What a test of energy conservation prints."""

from __future__ import annotations

from densnet.quantities import three_digits
from densnet.report.table import plain_table
from densnet.validation.conservation import Conservation, beyond_error, mean_and_error


def conservation_text(conserved: Conservation) -> str:
    """Return the table of both time steps, and in sentences what it means."""
    settings, (short, long) = conserved.settings, conserved.lines
    head = f"constant energy, {settings.temperature:g} K, {settings.replicas} replicas of {settings.picoseconds:g} ps"
    rows = [
        [
            f"{line.timestep:g} fs",
            _with_error(*mean_and_error(line.drift)),
            _with_error(*mean_and_error(line.fluctuation)),
            f"{line.relative.mean():.2e}",
        ]
        for line in conserved.lines
    ]
    table = plain_table(["time step", "drift [meV/atom/ps]", "fluctuation [meV/atom]", "mean |(E-E0)/E0|"], rows)
    lines = [
        head,
        "",
        table,
        "",
        "± is the standard error over the replicas, which start independently.",
    ]
    lines += [
        f"The drift at {line.timestep:g} fs "
        + (
            "lies outside of the 95 % interval around zero."
            if beyond_error(line.drift)
            else "cannot be told from zero (95 % interval)."
        )
        for line in conserved.lines
    ]
    ratio, error = mean_and_error(conserved.ratio)
    lines += [
        f"Fluctuation at {long.timestep:g} over that at {short.timestep:g} fs: {_with_error(ratio, error)}; "
        f"{settings.ratio**2} is expected.",
        f"After {settings.reversal_steps} steps of {long.timestep:g} fs forth and back, an atom is at most "
        f"{conserved.displacement.max():.1e} Å from where it began.",
        "The last column depends on where the potential has its zero of energy: compare it within one potential only.",
    ]
    if conserved.lost:
        lines.append(f"{conserved.lost} of {settings.replicas} replicas were lost: their energy was not finite.")
    return "\n".join(lines)


def _with_error(value: float, error: float) -> str:
    return f"{three_digits(value)} ± {error:.1g}"
