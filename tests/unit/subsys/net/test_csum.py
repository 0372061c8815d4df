"""Internet checksums against their definition (RFC 1071)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beespace.subsys.net.csum import csum_fold, csum_from32to16, csum_partial, csum_replace, csum_sub

WORDS = st.binary(max_size=64).map(lambda data: data + bytes(len(data) % 2))


def ones_complement_sum(data):
    total = sum(int.from_bytes(data[i : i + 2], "little") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(WORDS)
def test_folding_a_partial_sum_is_the_sum_of_16_bit_words(data):
    assert csum_from32to16(csum_partial(data)) == ones_complement_sum(data)


@given(WORDS, WORDS)
def test_a_seed_is_the_sum_of_what_came_before(before, data):
    assert csum_from32to16(csum_partial(data, csum_partial(before))) == ones_complement_sum(before + data)


@given(WORDS, WORDS)
def test_what_was_added_can_be_taken_away(data, more):
    both = csum_partial(data, csum_partial(more))
    # 0 and 0xffff are the same number
    assert csum_from32to16(csum_sub(both, csum_partial(more))) % 0xFFFF == ones_complement_sum(data) % 0xFFFF


@given(st.binary(min_size=20, max_size=20), st.integers(0, 0xFFFF), st.integers(0, 4))
def test_replacing_a_word_keeps_the_header_valid(header, word, index):
    header = bytearray(header)
    header[10:12] = bytes(2)
    check = csum_fold(csum_partial(bytes(header)))
    off = 2 * index
    old = int.from_bytes(header[off : off + 2], "little")
    header[off : off + 2] = word.to_bytes(2, "little")
    header[10:12] = csum_replace(check, old, word).to_bytes(2, "little")
    assert ones_complement_sum(bytes(header)) in (0, 0xFFFF)


@pytest.mark.parametrize(("data", "check"), [(b"", 0xFFFF), (b"\xff\xff", 0), (b"\1", 0xFFFE)])
def test_known_checksums(data, check):
    assert csum_fold(csum_partial(data)) == check
