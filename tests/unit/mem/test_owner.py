"""owner() finds a region by its slot, also where set_bounds() has hidden bytes."""

from beespace.mem import AddressSpace


def test_owner_sees_hidden_bytes():
    space = AddressSpace(64)
    region = space.alloc(64, name="packet")
    first = region.first
    space.set_bounds(region, first + 16, 16)
    assert space.find(first) is None
    assert space.owner(first) is region
    assert space.owner(space.base + (1 << 28) * 63) is None
    space.free(region)
    assert space.close() == ()
