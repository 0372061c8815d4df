"""docs/explained: every program is refused with the explanation on its page, and accepted once mended."""

import pytest

import beespace
import gen_explained

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not gen_explained.CLANG, reason="there is no clang to compile the examples with"),
]


def assert_current(make_kernel):
    made = gen_explained.pages(make_kernel)
    assert sorted(path.name for path in gen_explained.PAGES.glob("*.md")) == sorted(made)
    for name, text in made.items():
        assert (gen_explained.PAGES / name).read_text() == text, f"{name}: run tools/gen_explained.py"


def test_at_least_twenty():
    assert len(list(gen_explained.SOURCES.glob("*.bpf.c"))) >= 20


def test_pages_are_what_the_simulated_kernel_says():
    assert_current(beespace.Kernel)


@pytest.mark.oracle
def test_pages_are_what_the_running_kernel_says(linux_kernel):
    assert_current(beespace.LinuxKernel)
