"""Helpers with no object of their own, one module per kernel source file; contracts are in helpers/protos."""

MODULES: tuple[str, ...] = ()  # what Registry.build() looks into: modules of this package
