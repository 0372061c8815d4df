#!/usr/bin/env bash
# The same tests, uncompiled (from the sources alone); then a wheel in a fresh virtual environment: the example, the
# documented code and the instruction tests.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "== uncompiled"
git ls-files -z | xargs -0 cp --parents -t "$work" 2>/dev/null || cp -r src tests tools examples docs pyproject.toml setup.py Makefile README.md "$work"
find "$work" -name '*.so' -delete
(cd "$work" && PYTHONPATH="$work/src" "$top/.venv/bin/python" -m pytest -q -n 2 -m "not slow and not repository" -p no:cacheprovider)

echo "== wheel"
.venv/bin/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/dist" .
python3 -m venv "$work/venv"
.venv/bin/python - "$work" <<'PY'
import site, sys
from pathlib import Path
work = Path(sys.argv[1])
target = next((work / "venv" / "lib").glob("python*/site-packages"))
# the dependencies of .venv, but not its editable install of beespace
(target / "deps.pth").write_text("\n".join(p for p in site.getsitepackages()) + "\n")
PY
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$work"/dist/*.whl
rm -rf "$work/src"
(cd "$work" && "$work/venv/bin/beespace" run examples/flows/flows.bpf.o count_xdp --pcap examples/flows/traffic.pcap)
(cd "$work" && "$work/venv/bin/python" -m pytest -q -m "not slow" -p no:cacheprovider tests/unit/isa tests/docs)
