"""Map types: storage, declaration and the helpers that operate on them, one module for each kernel source file."""

MODULES: tuple[str, ...] = ("arraymap", "hashtab")  # what Registry.build() looks into: modules of this package
