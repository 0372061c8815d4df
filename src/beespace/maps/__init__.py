"""Map types: storage, declaration and the helpers that operate on them, one module for each kernel source file."""

# What Registry.build() looks into: modules of this package.
MODULES: tuple[str, ...] = (
    "arena",
    "arraymap",
    "bloom_filter",
    "fd_array",
    "hashtab",
    "helpers",
    "lpm_trie",
    "lru_hash",
    "map_in_map",
    "queue_stack",
    "ringbuf",
    "ringbuf_helpers",
)
