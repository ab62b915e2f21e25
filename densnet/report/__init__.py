"""Metrics, figures and the page that show what a run found; everything is read from the stages' files."""

METHOD_VERSION: int = 5
