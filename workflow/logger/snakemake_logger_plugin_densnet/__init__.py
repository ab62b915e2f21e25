"""A logger of Snakemake's that writes what happens to jobs as lines of JSON, for workflow/operations/progress.py."""

from __future__ import annotations

import json
import logging
import os

from snakemake_interface_logger_plugins.base import LogHandlerBase

EVENTS = "DENSNET_EVENTS"
"""Names the file that is written to."""
TOLD = ("jobid", "job_id", "rule_name", "rule_msg", "wildcards", "output", "log")


class LogHandler(LogHandlerBase):
    """Appends the start, the end and the failure of each job; Snakemake's own log is written as without it."""

    writes_to_stream = False
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record: logging.LogRecord) -> None:
        event = str(getattr(record, "event", ""))
        if event in {"job_info", "job_finished", "job_error"}:
            said = {name: getattr(record, name) for name in TOLD if hasattr(record, name)}
            with open(os.environ[EVENTS], "a") as events:
                events.write(json.dumps({"event": event, "time": record.created, **said}, default=str) + "\n")
