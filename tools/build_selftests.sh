#!/usr/bin/env bash
# Compiles the BPF selftests of Debian's linux-source-6.12 (package installed by hand or by `make conformance`) into a
# folder outside of the repository. Nothing of them is ever committed.
#   tools/build_selftests.sh FOLDER
# Needs clang-19, bpftool, linux-source-6.12, libbpf-dev; a vmlinux.h is made from the running kernel's BTF (6.18), so
# that programs are compiled for the kernel that judges them.
set -eu
out=$(realpath -m "$1")
tarball=/usr/src/linux-source-6.12.tar.xz
mkdir -p "$out/inc/bpf" "$out/obj"
[ -e "$tarball" ] || { echo "$tarball is missing: apt-get install linux-source-6.12" >&2; exit 1; }
src=$out/linux-source-6.12
if [ ! -e "$src/.complete" ]; then
	tar -C "$out" -xf "$tarball" linux-source-6.12/tools linux-source-6.12/include/uapi linux-source-6.12/scripts/bpf_doc.py
	touch "$src/.complete"
fi
[ -e "$out/inc/vmlinux.h" ] || bpftool btf dump file /sys/kernel/btf/vmlinux format c >"$out/inc/vmlinux.h"
python3 "$src/scripts/bpf_doc.py" --header --file "$src/include/uapi/linux/bpf.h" >"$out/inc/bpf/bpf_helper_defs.h" 2>/dev/null
cp "$src"/tools/lib/bpf/{bpf_helpers,bpf_tracing,bpf_endian,bpf_core_read,usdt.bpf}.h "$out/inc/bpf/"
st=$src/tools/testing/selftests/bpf
flags="-g -O2 -mcpu=v3 -target bpf -mlittle-endian -D__TARGET_ARCH_x86 -DENABLE_ATOMICS_TESTS -Wno-everything
 -I$out/inc -I$st -I$st/progs -I$src/tools/include/uapi -I$src/tools/include
 -idirafter $(clang-19 -print-resource-dir)/include -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include"
build() {
	o=$out/obj/$(basename "$1" .c).bpf.o
	[ -e "$o" ] && return
	# shellcheck disable=SC2086
	clang-19 $flags -c "$1" -o "$o" 2>/dev/null ||
		clang-19 $flags -DBPF_NO_KFUNC_PROTOTYPES -c "$1" -o "$o" 2>"$o.err" || rm -f "$o"
}
export -f build
export out flags
find "$st/progs" -name '*.c' -print0 | sort -z | xargs -0 -P "$(nproc)" -I{} bash -c 'build "{}"'
for name in linked_funcs linked_maps linked_vars; do # as the selftests' Makefile links them
	bpftool gen object "$out/obj/$name.linked.bpf.o" "$out/obj/${name}1.bpf.o" "$out/obj/${name}2.bpf.o"
done
echo "$(find "$out/obj" -name '*.bpf.o' | wc -l) objects in $out/obj"
