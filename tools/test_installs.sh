#!/usr/bin/env bash
# The same tests, uncompiled (from the sources alone); then the example and the tests on a wheel in a fresh virtual
# environment.
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
cd "$work" # src stays, for tests that read sources; nothing imports it
"$work/venv/bin/python" -c 'import beespace.interp.machine as m; assert "site-packages" in m.__file__ and m.__file__.endswith(".so"), m'
"$work/venv/bin/beespace" run examples/flows/flows.bpf.o count_xdp --pcap examples/flows/traffic.pcap
"$work/venv/bin/python" -m pytest -q -n 2 -m "not slow and not repository" -p no:cacheprovider
