"""Values of kconfig externs."""

import pytest

from beespace.api.externs import fill_kconfig, kernel_version
from beespace.errors import ElfError


@pytest.fixture
def fill(open_object, deaf_kernel):
    """Fills with the given configuration; name -> bytes of the extern."""

    def run(**config):
        spec = open_object("externs").spec
        memory = bytearray(spec.maps[".kconfig"].value_size)
        fill_kconfig(spec, deaf_kernel, config, memory)
        return {
            e.name: bytes(memory[e.data_off : e.data_off + e.size])
            for e in spec.externs.values()
            if e.kind == "kconfig"
        }

    return run


def test_kernels_own_configuration(fill):
    values = fill()
    assert values["CONFIG_BPF_SYSCALL"] == b"\1"
    assert values["CONFIG_HZ"] == (250).to_bytes(4, "little")
    assert values["CONFIG_BPF_JIT"] == bytes(4)  # weak, not there
    assert values["LINUX_KERNEL_VERSION"] == (0x061200).to_bytes(4, "little")
    assert values["LINUX_HAS_SYSCALL_WRAPPER"] == b"\1"


def test_configuration_of_the_user_comes_first(fill):
    values = fill(CONFIG_HZ="0x3e8", CONFIG_BPF_JIT="m", CONFIG_CC_VERSION_TEXT='"clang version 19.1.7 (with more)"')
    assert values["CONFIG_HZ"] == (1000).to_bytes(4, "little")
    assert values["CONFIG_BPF_JIT"] == b"\2\0\0\0"
    assert values["CONFIG_CC_VERSION_TEXT"] == b"clang version 1\0"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"CONFIG_BPF_SYSCALL": "m"}, "value 'm' implies bool, tristate, or char type"),
        ({"CONFIG_BPF_SYSCALL": "1"}, "value '1' implies integer type"),
        ({"CONFIG_HZ": "y"}, "value 'y' implies bool, tristate, or char type"),
        ({"CONFIG_HZ": "4294967296"}, "doesn't fit in 4 bytes"),
        ({"CONFIG_HZ": "lots"}, "isn't a valid integer"),
        ({"CONFIG_HZ": '"text"'}, "implies char array type"),
        ({"CONFIG_CC_VERSION_TEXT": '"text'}, "invalid string config"),
    ],
)
def test_values_of_another_kind(fill, config, message):
    with pytest.raises(ElfError, match=message):
        fill(**config)


def test_strong_extern_without_value(open_object, deaf_kernel):
    deaf_kernel.features = type(deaf_kernel.features)(version="6.18")
    spec = open_object("externs").spec
    with pytest.raises(ElfError, match=r"extern 'CONFIG_BPF_SYSCALL' \(strong\): not resolved"):
        fill_kconfig(spec, deaf_kernel, {}, bytearray(31))


def test_version_of_a_simulated_kernel(deaf_kernel):
    assert kernel_version(deaf_kernel) == 6 << 16 | 18 << 8
