"""How the network's types look to Python: ports in the host's order, addresses as text.

======================================  ============================================================================
``__be16``, ``__be64``                  ``int`` in the host's order: a port is 443
``__be32``, ``struct in_addr``          IPv4 text, a ``str`` whose ``int()`` is the number; accepts both
``struct in6_addr``, ``__be32[4]``      IPv6 text; likewise
``__u8[6]``, ``unsigned char[6]``       ``bytes``; accepts MAC text
``__u8[16]``, ``unsigned char[16]``     ``bytes``; accepts IPv6 text
======================================  ============================================================================
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, SupportsIndex

from beespace.btf import Adapter, Btf, Codec
from beespace.errors import BtfError

__all__ = ["NETWORK_TYPES", "Codecs", "NetworkText"]

_MAC = re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}")


class NetworkText(str):
    """An address as text; ``int()`` is its number, ``packed`` its bytes in network order."""

    __slots__ = ()

    def __int__(self) -> int:
        return int(ipaddress.ip_address(str(self)))

    @property
    def packed(self) -> bytes:
        """4 or 16 bytes."""
        return ipaddress.ip_address(str(self)).packed


def _text(data: bytes) -> NetworkText | None:
    # a type of that name but another size is something else: shown by its members
    return NetworkText(ipaddress.ip_address(data)) if len(data) in (4, 16) else None


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _from_number(size: int) -> Callable[[Any], bytes | None]:
    def encode(value: Any) -> bytes | None:
        if not isinstance(value, SupportsIndex):
            return None
        number = value.__index__()
        if not 0 <= number < 1 << 8 * size:
            raise BtfError(f"{number} does not fit __be{8 * size} (0..{(1 << 8 * size) - 1})")
        return number.to_bytes(size, "big")

    return encode


def _from_address(size: int, numbers: bool) -> Callable[[Any], bytes | None]:
    def encode(value: Any) -> bytes | None:
        if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
            packed = value.packed
        elif isinstance(value, str):
            try:
                packed = ipaddress.ip_address(str(value)).packed
            except ValueError as e:
                raise BtfError(str(e)) from None
        else:
            return _from_number(size)(value) if numbers else None
        if len(packed) != size:
            raise BtfError(f"{value} is an address of {len(packed)} bytes, not {size}")
        return packed

    return encode


def _from_mac(value: Any) -> bytes | None:
    if not isinstance(value, str):
        return None
    if not _MAC.fullmatch(value):
        raise BtfError(f"{value!r} is not a MAC address")
    return bytes.fromhex(re.sub("[:-]", "", value))


_MAC_ADDRESS = Adapter(None, _from_mac)
_IPV4 = Adapter(_text, _from_address(4, numbers=True))
_IPV6 = Adapter(_text, _from_address(16, numbers=True))
_IPV6_BYTES = Adapter(None, _from_address(16, numbers=False))

NETWORK_TYPES: Mapping[str, Adapter] = MappingProxyType(
    {
        "__be16": Adapter(_number, _from_number(2)),
        "__be32": _IPV4,
        "__be64": Adapter(_number, _from_number(8)),
        "in_addr": _IPV4,
        "in6_addr": _IPV6,
        "__be32[4]": _IPV6,
        "__u8[6]": _MAC_ADDRESS,
        "unsigned char[6]": _MAC_ADDRESS,
        "__u8[16]": _IPV6_BYTES,
        "unsigned char[16]": _IPV6_BYTES,
    }
)
"""Adapters for codecs of programs' keys, values and variables."""


class Codecs:
    """The codecs of one Btf's types, with the network's types adapted; made when first asked for."""

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self._made: dict[int, Codec] = {}

    def __getitem__(self, type_id: int) -> Codec:
        found = self._made.get(type_id)
        if found is None:
            found = self._made[type_id] = Codec(self.btf, type_id, adapters=NETWORK_TYPES)
        return found
