# What compiled modules see of env.py. The fields that are read at each instruction; others live in __dict__.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.state cimport FuncState, Hist, RegState, VerifierState

@cython.final
cdef class Subprog:
    cdef dict __dict__
    cdef public int start
    cdef public int end
    cdef public int type_id
    cdef public int linkage
    cdef public int stack_depth
    cdef public list postorder
    cdef public int fastcall_stack_off

@cython.final
cdef class Env:
    cdef dict __dict__
    cdef public object sink
    cdef public object log
    cdef public int log_level
    cdef public list insns
    cdef public list subprogs
    cdef public bint bpf_capable
    cdef public bint allow_ptr_leaks
    cdef public bint allow_uninit_stack
    cdef public bint bypass_spec_v1
    cdef public bint bypass_spec_v4
    cdef public bint strict_alignment
    cdef public bint test_state_freq
    cdef public bint test_reg_invariants
    cdef public bint explore_alu_limits
    cdef public VerifierState cur
    cdef public int insn_idx
    cdef public int prev_insn_idx
    cdef public Hist hist_ent
    cdef public long long id_gen
    cdef public list stack
    cdef public dict explored
    cdef public long long scratched_regs
    cdef public unsigned long long scratched_slots
    cdef public long long insn_processed
    cdef public long long jmps_processed
    cdef public long long prev_insn_processed
    cdef public long long prev_jmps_processed
    cdef public long long total_states
    cdef public long long peak_states
    cdef public long long max_states_per_insn
    cdef public long long explored_states_size
    cdef public long long free_list_size
    cdef public long long num_backedges
    cdef public long long max_pkt_offset
    cdef public object liveness
    cdef public dict scc_visits

    cpdef FuncState frame(self)
    @cython.locals(f=FuncState)
    cpdef list regs(self)
    cpdef FuncState frame_of(self, RegState reg)
    cpdef long long new_id(self) noexcept
    cpdef bint in_sleepable(self) except -1
    cpdef bint in_rcu_cs(self) except -1
    @cython.locals(reg=RegState)
    cpdef bint is_pointer_value(self, int regno) except -1
