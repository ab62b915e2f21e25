"""The command line: one verb a stage, one file a verb."""
