# One command each. Everything runs in .venv, which `make setup` makes; nothing else needs to be installed by hand
# (Debian packages are installed when run as root).
PY := .venv/bin/python
RUN := PATH="$(CURDIR)/.venv/bin:$$PATH"

.PHONY: help demo setup test check format lint types fast slow uapi bench oracle conformance clean
help:
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## set up and run the example: flows of examples/flows/traffic.pcap
	@tools/setup.sh user
	.venv/bin/beespace run examples/flows/flows.bpf.o count_xdp --pcap examples/flows/traffic.pcap --map flows

setup: ## virtual environment, editable install, compiled modules
	@tools/setup.sh dev

check: setup lint types fast ## what every commit passes (under two minutes)

format: setup ## format all files
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

lint: setup
	$(RUN) ruff format --check .
	$(RUN) ruff check .

types: setup
	$(RUN) mypy

fast: setup
	$(RUN) pytest -q -n 2 --benchmark-disable -m "not slow"

test: setup lint types fast proofs ## everything CI runs: the tests, the proofs; the tests uncompiled, then on a wheel
	tools/test_installs.sh

slow: setup ## the tests that take longer (marked slow)
	$(RUN) pytest -q -n 2 --benchmark-disable -m slow

uapi: setup ## regenerate src/beespace/uapi from a running Linux 6.18 and linux-source-6.12
	.venv/bin/python tools/gen_uapi.py

bench: setup ## measurements that the documentation states
	.venv/bin/python tools/bench_startup.py
	$(RUN) pytest -q tests/bench --benchmark-columns=min,median,max --benchmark-sort=name
	.venv/bin/python tools/bench_numbers.py
	.venv/bin/python tools/bench_engines.py --json build/bench.json
	.venv/bin/python tools/map_memory.py
	.venv/bin/python tools/bench_ringbuf.py
	.venv/bin/python tools/bench_timers.py
	.venv/bin/python tools/bench_verifier.py $(wildcard $(SELFTESTS)/obj)

# FUZZ=N, MUTANTS=N: how many programs to generate, and to make of existing ones
oracle: setup ## examples, tests and scenarios on both kernels (needs bpf(2)), then 50,000 generated programs (FUZZ=N)
	$(RUN) pytest -q -m oracle
	$(RUN) beespace diff examples/flows/flows.bpf.o --pcap examples/flows/traffic.pcap $(FLOWS_TIMES)
	$(RUN) beespace fuzz --count $(or $(MUTANTS),5000) --corpus examples --corpus tests/programs
	$(RUN) beespace fuzz --count $(or $(FUZZ),50000)

FLOWS_TIMES := --ignore flows.first_ns --ignore flows.last_ns

.PHONY: prune-check
prune-check: setup ## a million programs verified with and without pruning (hours); COUNT=N for fewer
	.venv/bin/python tools/prune_check.py $(or $(COUNT),1000000)

SELFTESTS ?= $(HOME)/.cache/beespace/selftests
conformance: setup ## our verdicts on the kernel's selftests beside those of Linux 6.18 (VERDICTS=csv of recorded verdicts)
	tools/build_selftests.sh $(SELFTESTS)
	.venv/bin/python tools/conformance.py $(SELFTESTS)/obj $(VERDICTS)

.PHONY: proofs proofs-quick mutants proofs-page
PROOFS := PYTHONPATH=src:tools .venv/bin/python -m proofs
proofs-quick: setup ## number domain at 8 bits: before a commit that touches it
	$(PROOFS) --quick

proofs: setup ## number domain proven at 64 bits, every pair of 5-bit states, historical bugs (five minutes)
	$(PROOFS) --full

mutants: setup ## would the proofs notice? 210 seeded changes of the number domain (fifteen minutes)
	$(PROOFS) --quick --mutants 210

proofs-page: setup ## all of these and the running kernel (needs bpf(2)); writes docs/explanation/proofs.md
	$(PROOFS) --full --record
	$(PROOFS) --quick --mutants 210 --oracle 10000 --record --page docs/explanation/proofs.md

clean: ## remove what was built
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache
	find src -name '*.so' -delete -o -name '*.c' ! -name landing.c -delete
