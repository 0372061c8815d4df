"""What a kernel's configuration takes away."""

import pytest

from beespace.api import Kernel
from beespace.decl import Features
from beespace.kernel.slices import linux_registry

CONFIG = {"CONFIG_HZ": "250", "CONFIG_BPF_LIRC_MODE2": "m", "CONFIG_BPF_KPROBE_OVERRIDE": "y"}


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        (("CONFIG_BPF_LIRC_MODE2",), True),
        (("CONFIG_KALLSYMS_ALL",), False),
        (("!CONFIG_KALLSYMS_ALL",), True),
        (("CONFIG_HZ", "!CONFIG_BPF_KPROBE_OVERRIDE"), False),
    ],
)
def test_conditions_on_options(options, holds):
    assert Features(kconfig=CONFIG).configured(*options) is holds
    assert Features().configured(*options)  # nothing is known: everything is there


@pytest.mark.parametrize(
    ("config", "gone"),
    [
        ({**CONFIG, "CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY": "y"}, {"bpf_probe_write_user"}),
        ({"CONFIG_HZ": "250", "CONFIG_BPF_LIRC_MODE2": "y"}, {"bpf_override_return"}),
        (
            {**CONFIG, "CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY": "y"},
            {
                "bpf_probe_write_user", "bpf_probe_read_kernel", "bpf_probe_read_kernel_str", "bpf_probe_read_compat",
                "bpf_probe_read_compat_str",
            },
        ),
    ],
)  # fmt: skip
def test_helpers_that_a_configuration_takes_away(config, gone):
    with_all, with_config = linux_registry(Features()), linux_registry(Features(kconfig=config))
    assert set(with_all.helpers) - set(with_config.helpers) == gone


def test_a_simulated_kernel_has_the_rate_of_its_clock():
    with Kernel(btf_vmlinux="bundled", features=Features(hz=100)) as kernel:
        assert kernel.config() == {"CONFIG_HZ": "100"}


def test_a_configuration_that_is_given_wins():
    with Kernel(features=Features(kconfig=CONFIG)) as kernel:
        assert kernel.config() == CONFIG
