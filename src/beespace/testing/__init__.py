"""Judging: scenario engines, differential runs, program generation. For tests and for `beespace diff` and `fuzz`."""
