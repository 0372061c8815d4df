"""Proofs of the number domain, from the source that runs: `beespace.verifier.numbers`, loaded with other words."""
