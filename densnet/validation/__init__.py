"""A potential put to the test: where test frames do not reach, and beside a reference."""

METHOD_VERSION: int = 1
