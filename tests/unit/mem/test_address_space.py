"""AddressSpace: bounds, guards, reproducible addresses, leaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beespace.errors import GuestFault, InternalError, SyscallError
from beespace.mem import SLOT_BYTES, AddressSpace, raw


@pytest.fixture
def space():
    space = AddressSpace()
    yield space
    space.close()


def test_memory_is_zeroed_and_native(space):
    region = space.alloc(100, name="x")
    assert space.read(region.base, 100) == bytes(100)
    raw.store32(region.base + 4, 0x01020304)
    assert space.read(region.base + 4, 4) == b"\x04\x03\x02\x01"


@given(size=st.integers(1, 20000), off=st.integers(-70000, 90000), length=st.integers(0, 20000), write=st.booleans())
def test_an_access_is_admitted_iff_it_lies_inside(size, off, length, write):
    space = AddressSpace(slots=4)
    region = space.alloc(size, name="x")
    assert space.check(region.base + off, length, write) == (off >= 0 and off + length <= size)
    space.close()


@pytest.mark.parametrize("addr", [0, 1, 0xFFFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000])
def test_addresses_far_away_are_refused(space, addr):
    assert not space.check(addr, 1, False)
    assert not space.check(addr, 0, False)
    with pytest.raises(GuestFault, match="no memory of the guest"):
        space.read(addr, 1)


def test_the_first_and_last_byte_of_the_range_are_refused(space):
    space.alloc(8, name="x")
    assert not space.check(space.base, 8, False)
    assert not space.check(space.limit - 1, 1, False)
    assert not space.check(space.limit, 1, False)
    assert not space.check(space.base - 1, 1, False)


@pytest.mark.parametrize(
    ("off", "size", "write", "ok"),
    [
        (0, 12, False, True),
        (0, 13, False, False),  # padding up to the stride
        (8, 16, False, False),  # into the next element
        (16, 12, True, True),
        (16, 4, False, True),
        (33, 11, False, True),
        (47, 1, False, False),
        (48, 1, False, False),  # behind the last
    ],
)
def test_an_access_stays_inside_one_element(space, off, size, write, ok):
    region = space.alloc(48, name="array", stride=16, high=12)
    assert space.check(region.base + off, size, write) == ok


def test_key_bytes_of_an_element_are_read_only(space):
    region = space.alloc(64, name="hash", stride=32, low=8, high=28, write_low=16)
    at = region.base + 32
    assert not space.check(at + 7, 1, False)
    assert space.check(at + 8, 20, False)
    assert not space.check(at + 8, 4, True)
    assert space.check(at + 16, 12, True)
    assert space.explain(at + 8, 4, True) == "write of 4 bytes at hash[1]+8: read-only below byte 16"
    assert space.explain(at, 4, False) == "read of 4 bytes at hash[1]+0: an element has bytes 8 to 28"


def test_elements_that_are_not_in_use_are_refused(space):
    alive = space.alloc(2, name="alive")
    region = space.alloc(32, name="objects", stride=16, alive=alive.base)
    assert not space.check(region.base + 16, 8, False)
    raw.store8(alive.base + 1, 1)
    assert space.check(region.base + 16, 8, False)
    assert not space.check(region.base, 8, False)
    assert space.explain(region.base, 8, False) == "read of 8 bytes at objects[0]+0: the element is not in use"


def test_bounds_follow_a_packet(space):
    region = space.alloc(512, name="packet")
    first = region.base
    space.set_bounds(region, first + 256, 64)
    assert (region.base, region.size) == (first + 256, 64)
    assert not space.check(first + 255, 1, False)
    assert space.check(first + 256, 64, True)
    space.set_bounds(region, first, 512)
    assert space.check(first, 512, True)
    with pytest.raises(InternalError):
        space.set_bounds(region, first + 8, 512)


def test_read_only_regions(space):
    region = space.alloc(8, name="rodata", writable=False)
    assert space.check(region.base, 8, False)
    with pytest.raises(GuestFault) as caught:
        space.write(region.base, b"x")
    assert caught.value.address == region.base
    assert "write of 1 bytes at rodata+0: read-only" in str(caught.value)
    space.set_writable(region, True)
    space.write(region.base, b"x")


def test_a_freed_region_is_refused_and_its_slot_not_used_at_once(space):
    region = space.alloc(8, name="x")
    at = region.base
    space.free(region)
    assert not space.check(at, 1, False)
    assert space.find(at) is None
    assert space.alloc(8, name="y").slot != region.slot
    with pytest.raises(InternalError, match="freed twice"):
        space.free(region)


def test_slots_are_used_again_when_none_is_left():
    space = AddressSpace(slots=3)
    first, second = space.alloc(8, name="a"), space.alloc(8, name="b")
    with pytest.raises(SyscallError, match="ENOMEM"):
        space.alloc(8, name="c")
    raw.store64(first.base, 5)
    space.free(first)
    again = space.alloc(8, name="c")
    assert again.slot == first.slot
    assert space.read(again.base, 8) == bytes(8)
    assert space.regions() == (again, second)
    space.close()


def test_a_region_may_span_slots(space):
    region = space.alloc(SLOT_BYTES + 4096, name="arena")
    end = region.base + region.size
    assert space.check(end - 8, 8, True)
    assert space.check(region.base + SLOT_BYTES - 4, 8, True)
    assert not space.check(end, 1, False)
    assert space.find(end - 1) is region
    space.free(region)
    assert not space.check(end - 8, 8, True)


def test_relative_addresses_are_reproducible():
    spaces = [AddressSpace(), AddressSpace()]
    relative = []
    for space in spaces:
        one = space.alloc(24, name="one")
        space.free(one)
        two = space.alloc(5000, name="two")
        relative.append([space.relative(one.first), space.relative(two.base)])
        assert space.absolute(space.relative(two.base)) == two.base
    assert relative[0] == relative[1]
    assert spaces[0].base != spaces[1].base
    for space in spaces:
        space.close()


@pytest.mark.parametrize("align", [1, 8, 64, 4096])
def test_alignment(space, align):
    assert space.alloc(100, name="x", align=align).base % align == 0


def test_close_names_what_leaked_and_where():
    space = AddressSpace(trace=True)
    kept, freed = space.alloc(8, name="kept"), space.alloc(8, name="freed")
    space.free(freed)
    leaked = space.close()
    assert leaked == (kept,)
    assert any("test_close_names_what_leaked_and_where" in line for line in leaked[0].allocated_at)
    assert not space.check(kept.first, 1, False)
    assert space.close() == ()


def test_a_view_outlives_the_space():
    space = AddressSpace()
    region = space.alloc(16, name="x")
    view = space.view(region.base, 16)
    readonly = space.view(region.base, 16, writable=False)
    space.close()
    del space
    view[0] = 7
    assert readonly[0] == 7
    assert readonly.readonly


def test_giving_memory_back_while_the_collector_takes_all_of_it():
    import gc

    class Holder:
        def __init__(self):
            self.space = AddressSpace(16)
            self.region = self.space.alloc(64, name="r")
            self.generator = self.borrow()
            next(self.generator)

        def borrow(self):
            try:
                yield
            finally:
                self.space.set_bounds(self.region, self.region.first, 0)
                self.space.free(self.region)

    for _ in range(20):
        Holder()
    gc.collect()
