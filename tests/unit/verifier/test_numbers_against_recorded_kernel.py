"""The number domain, compared with what Linux 6.18.44 printed for 300 random programs (tools/proofs/recorded.py)."""

from proofs import recorded


def test_as_the_kernel_printed():
    assert not recorded.first_difference(recorded.read())


def test_a_difference_is_seen():
    vectors = recorded.read()[:20]
    for vector in vectors:
        for _, _, regs in vector["states"]:
            for reg, text in regs.items():
                regs[reg] = text.replace("umax=", "umax=0x7,umax=")
    assert "ours" in recorded.first_difference(vectors)
