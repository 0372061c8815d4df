"""Map types: storage, MapType and the helpers that operate on it, one module per map family."""

MODULES: tuple[str, ...] = ("arraymap", "hashtab")  # what Registry.build() looks into: modules of this package
