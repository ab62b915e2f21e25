"""What a test on labelled frames prints."""

from __future__ import annotations

import math

from densnet.quantities import three_digits
from densnet.report.table import plain_table
from densnet.validation.ladder import FAR, SHOWN, JudgedFrames, alarms, correlations


def ladder_text(frames: JudgedFrames) -> str:
    """Return the table of errors by condition, and sentences on alarms and correlations."""
    heads = [f"{SHOWN[name].word} [{SHOWN[name].unit}]" for name in frames.errors]
    outside = [] if frames.domain_distance is None else ["outside the domain"]
    header = ["mean error", "frames", *heads, "worst frame's force", *outside]
    lines = [plain_table(header, [_row(frames, condition) for condition in frames.shown]), ""]
    for alarm in alarms(frames):
        caught = "" if math.isnan(alarm.caught) else f", {100 * alarm.caught:.1f} % of them caught"
        lines.append(
            f"{alarm.name}: {alarm.far} frames have more than {FAR:g} times the median force error{caught}; "
            f"{100 * alarm.false:.1f} % of the others are false alarms"
        )
    lines += [
        f"rank correlation of the {said} with the error of the {name}: {value:.2f}"
        for (said, name), value in correlations(frames).items()
    ]
    if frames.unanswered:
        lines.append(f"{frames.unanswered} frames have no answer and are left out")
    return "\n".join(lines)


def _row(frames: JudgedFrames, condition: str) -> list[str]:
    rows = frames.rows(condition)
    row = [
        condition,
        str(int(rows.sum())),
        *(three_digits(float(error[rows].mean())) for error in frames.errors.values()),
    ]
    row.append(three_digits(float(frames.errors["forces"][rows].max())))
    if frames.domain_distance is not None:
        row.append(f"{100 * (frames.domain_distance[rows] > 0).mean():.0f} %")
    return row
