# What compiled modules see of slotmarks.py.

from beespace.verifier.state cimport VerifierState

cdef class SlotQuery:
    cpdef bint is_alive(self, int frameno, int spi) except -1

cdef class SlotMarks:
    cpdef reset_callchain(self)
    cpdef mark_read(self, int frame, int insn_idx, unsigned long long mask)
    cpdef begin_insn(self, int insn_idx)
    cpdef mark_write(self, int frame, unsigned long long mask)
    cpdef commit_insn(self)
    cpdef update(self)
    cpdef SlotQuery query(self, VerifierState state)
