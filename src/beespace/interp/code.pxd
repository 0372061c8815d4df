# What compiled modules see of code.py.

ctypedef unsigned long long (*alu_fn)(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
ctypedef bint (*jmp_fn)(unsigned long long a, unsigned long long b, int bits) noexcept nogil
ctypedef unsigned long long (*atomic_fn)(
    unsigned long long addr, unsigned long long value, unsigned long long r0, int size) noexcept nogil

cdef enum Kind:
    K_ILLEGAL = 0
    K_ALU64 = 1
    K_ALU32 = 2
    K_JMP64 = 3
    K_JMP32 = 4
    K_JA = 5
    K_IMM64 = 6
    K_LDX = 7
    K_ST = 8
    K_STX = 9
    K_ATOMIC = 10
    K_CALL = 11
    K_CALL_SUBPROG = 12
    K_TAIL_CALL = 13
    K_EXIT = 14
    K_MAY_GOTO = 15
    K_PROBE_LDX = 16
    K_ARENA_LDX = 17
    K_ARENA_STORE = 18
    K_ARENA_ATOMIC = 19
    K_CAST_USER = 20
    K_ADD32 = 21
    K_ADD64 = 22
    K_SUB32 = 23
    K_SUB64 = 24
    K_MUL32 = 25
    K_MUL64 = 26
    K_AND32 = 27
    K_AND64 = 28
    K_OR32 = 29
    K_OR64 = 30
    K_XOR32 = 31
    K_XOR64 = 32
    K_LSH32 = 33
    K_LSH64 = 34
    K_RSH32 = 35
    K_RSH64 = 36
    K_MOV32 = 37
    K_MOV64 = 38
    K_JEQ32 = 39
    K_JEQ64 = 40
    K_JNE32 = 41
    K_JNE64 = 42
    K_JGT32 = 43
    K_JGT64 = 44
    K_JLT32 = 45
    K_JLT64 = 46

cdef struct Op:
    unsigned char kind
    unsigned char dst
    unsigned char src
    unsigned char x        # an atomic operation only loads
    unsigned char size     # bytes of a memory access
    unsigned char sext     # a load extends the sign
    unsigned char result   # register that receives what an atomic operation returns, NO_REG for none
    unsigned char frame    # inside the own stack frame (R10 + off): needs no check
    short off
    short bits             # operand width handed to the function
    int target             # insn_idx of a jump or of a subprogram; index into calls
    unsigned long long imm   # the second operand is (register src & mask) | imm
    unsigned long long mask
    void *function         # alu_fn, jmp_fn or atomic_fn

ctypedef Op *Ops

cdef class Code:
    cdef Op *ops
    cdef readonly Py_ssize_t count
    cdef readonly object functions
    cdef object meaning
    cdef readonly list calls
    cdef readonly dict illegal
    cdef readonly unsigned long long arena_base
    cdef readonly unsigned long long arena_user
