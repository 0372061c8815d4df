"""The user's side, in libbpf's vocabulary: kernels, objects, maps, programs, links."""

from beespace.api.adapters import NETWORK_TYPES, Codecs, NetworkText
from beespace.api.calls import Calls
from beespace.api.compile import compile_c
from beespace.api.kernels import Kernel, LinuxKernel, OpensObjects
from beespace.api.link import Link
from beespace.api.map import Map
from beespace.api.object import Names, Object
from beespace.api.program import Program, RunResult
from beespace.api.ringbuf import Records, RingBuffer, Sample, UserRingBuffer
from beespace.api.variables import ArrayView, StructView, Variables

__all__ = [
    "NETWORK_TYPES",
    "ArrayView",
    "Calls",
    "Codecs",
    "Kernel",
    "Link",
    "LinuxKernel",
    "Map",
    "Names",
    "NetworkText",
    "Object",
    "OpensObjects",
    "Program",
    "Records",
    "RingBuffer",
    "RunResult",
    "Sample",
    "StructView",
    "UserRingBuffer",
    "Variables",
    "compile_c",
]
