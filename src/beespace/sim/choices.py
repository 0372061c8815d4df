"""Reproducible choices: every random number of a simulated kernel comes from one seed."""

from __future__ import annotations

from beespace.errors import InternalError

__all__ = ["Choices", "splitmix64"]

_U64 = 0xFFFFFFFFFFFFFFFF


def splitmix64(state: int) -> tuple[int, int]:
    """One step: (new state, output), both u64.

    :see: Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014)
    """
    state = (state + 0x9E3779B97F4A7C15) & _U64
    z = state
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _U64
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _U64
    return state, z ^ z >> 31


def _rotl(x: int, k: int) -> int:
    return (x << k | x >> 64 - k) & _U64


class Choices:
    """A stream of choices: xoshiro256**, seeded by splitmix64.

    Each consumer asks for a stream of its own by name, so that a new consumer does not shift what others get.

    :param seed: any integer; taken modulo 2**64.

    >>> Choices(7).stream("prandom").u32() == Choices(7).stream("prandom").u32()
    True
    """

    __slots__ = ("_s", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed & _U64
        state = self.seed
        words = []
        for _ in range(4):
            state, word = splitmix64(state)
            words.append(word)
        self._s = words

    def stream(self, name: str) -> Choices:
        """An independent stream that depends on the seed and *name* only."""
        state, _ = splitmix64(self.seed)  # so that even the stream "" is another one
        for byte in name.encode():
            state, mixed = splitmix64(state ^ byte)
            state ^= mixed
        return Choices(state)

    def u64(self) -> int:
        """The next 64 bits."""
        s0, s1, s2, s3 = self._s
        result = _rotl(s1 * 5 & _U64, 7) * 9 & _U64
        t = s1 << 17 & _U64
        s2 ^= s0
        s3 ^= s1
        self._s = [s0 ^ s3, s1 ^ s2, s2 ^ t, _rotl(s3, 45)]
        return result

    def u32(self) -> int:
        """The next 32 bits."""
        return self.u64() >> 32

    def below(self, bound: int) -> int:
        """A number in [0, bound), all equally likely. *bound* is positive and at most 2**64."""
        if not 0 < bound <= 1 << 64:
            raise InternalError(f"choice below {bound}")
        limit = (1 << 64) - (1 << 64) % bound
        while (value := self.u64()) >= limit:
            pass
        return value % bound

    def data(self, size: int) -> bytes:
        """*size* bytes."""
        words = (self.u64().to_bytes(8, "little") for _ in range(-(-size // 8)))
        return b"".join(words)[:size]
