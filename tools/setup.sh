#!/usr/bin/env bash
# Makes this checkout ready: Debian packages (as root, only what is missing), a virtual environment in .venv, an
# editable install with the compiled modules. Safe to run again; does nothing when nothing has changed.
#   tools/setup.sh [user|dev]    user: what running needs; dev (default): also what tests, linters and proofs need
set -eu
cd "$(dirname "$0")/.."
kind=${1:-dev}

need_packages() {
	python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
	python3 - <<'PY' || echo python3-dev
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))
PY
	command -v cc >/dev/null || echo gcc
	if [ "$kind" = dev ]; then
		command -v clang-19 >/dev/null || echo clang-19
		command -v llvm-mc-19 >/dev/null || echo llvm-19
		[ -e /usr/include/bpf/bpf_helpers.h ] || echo libbpf-dev
		command -v bpftool >/dev/null || [ -x /usr/sbin/bpftool ] || echo bpftool
	fi
}

missing=$(need_packages)
if [ -n "$missing" ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq
		# shellcheck disable=SC2086
		apt-get install -y -qq --no-install-recommends $missing >/dev/null
	else
		echo "missing (install them, or go on without): $missing" >&2
	fi
fi

stamp=.venv/.$kind-$(cat pyproject.toml setup.py src/beespace/compiled.txt | sha256sum | cut -c1-16)
if [ ! -e "$stamp" ]; then
	[ -x .venv/bin/python ] || python3 -m venv .venv
	extras=''
	[ "$kind" = dev ] && extras='[numpy,dev]'
	.venv/bin/pip install --quiet --disable-pip-version-check --editable ".$extras"
	touch "$stamp"
fi
# An editable install does not notice edited modules: build those whose source is newer.
stale=no
while read -r module; do
	[ -n "$module" ] || continue
	so=$(find "src/$(dirname "$module")" -name "$(basename "$module").*.so" 2>/dev/null | head -n 1)
	if [ -z "$so" ] || [ "src/$module.py" -nt "$so" ] || { [ -e "src/$module.pxd" ] && [ "src/$module.pxd" -nt "$so" ]; }; then
		stale=yes
	fi
done <src/beespace/compiled.txt
if [ "$stale" = yes ] && [ "$kind" = dev ]; then
	.venv/bin/python setup.py --quiet build_ext --inplace
fi
