# Every target sets up what it needs in .venv first; what is there already is not done again.
#   make compare     train NumPy beside torch on the digits and compare every gradient
#   make test        run the tests (ARGS=tests/nn: a part of them)
#   make check       ruff and mypy
#   make docs        the manual as a site, in site/ (it needs node, for the formulas)
#   make notebooks   a notebook of each page with cells, in notebooks/
#   make benchmark   time the training steps beside torch, and compare with manual/speed.md
#   make speed       measure manual/speed.md anew, what grows and other libraries included (a quarter of an hour)
#   make cuda        lockstep, check and referee on a CUDA device, with their figures (at most 8 minutes)
#   make wheels      the two wheels, with torch and without it, into dist/
#   make browser     the check as a page for a browser, into site/check/ (npm fetches Pyodide)
#   make certify     measure every module (a quarter of an hour); ONLY=Linear renews one row, SCHEDULER=ADDRESS asks a cluster
# On Linux, pip fetches torch with CUDA; the build for the CPU alone is smaller (see the installation page of PyTorch).

VENV ?= .venv
BIN := $(VENV)/bin
# The first Python that is new enough; another one: make PYTHON=/path/to/python3 ...
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help compare test check docs notebooks benchmark speed cuda wheels browser certify clean
help:
	@sed -n 's/^#   make/make/p' Makefile

compare: $(VENV)/installed
	@out=runs; [ ! -e runs/digits ] || out=runs/$$(date +%Y-%m-%d_%H.%M.%S); \
	echo "$(BIN)/torchref compare digits --out $$out"; $(BIN)/torchref compare digits --out $$out

# One thread a process: what is tested is small, and threads would only wait for each other.
test: $(VENV)/installed-test
	@echo "some 32,000 tests, about a quarter of an hour on two cores; left out are those marked slow, which go over the same ground"
	@echo "at greater length (make test ARGS='-m slow', about an hour); a part alone: make test ARGS=tests/nn"
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(ARGS)

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The cells of its pages run here. A warning, an exception or a broken link ends it.
docs: $(VENV)/installed-docs
	@command -v node >/dev/null || { echo "make docs needs node, which sets the formulas: https://nodejs.org" >&2; exit 1; }
	$(BIN)/python -m sphinx -W --keep-going -q -j 2 -b html -d build/docs/doctrees manual build/docs/site
	mkdir -p site && find site -mindepth 1 -maxdepth 1 ! -name check -exec rm -rf {} +
	cp -R build/docs/site/. site/
	@echo "site/index.html"
# A workflow pushes them to the branch `notebooks`, where Colab and Binder find them.
notebooks: $(VENV)/installed-notebooks
	rm -rf notebooks
	$(BIN)/python manual/notebooks.py notebooks

benchmark: $(VENV)/installed-test
	$(BIN)/python -m tests.benchmarks.table $(ARGS)

speed: $(VENV)/installed-peers
	$(BIN)/python -m tests.benchmarks.table --all --publish $(ARGS)

# On a machine without one it says so; DEVICE=cpu tries the same on the processor.
cuda: $(VENV)/installed-test
	CUBLAS_WORKSPACE_CONFIG=:4096:8 $(BIN)/python -m tests.cuda $(or $(DEVICE),cuda)

# Of one tree two distributions: manual/decisions/two-wheels.md says why.
wheels: $(VENV)/installed-dev
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist . ./torchref/browser/wheel

# NUMPY=FILE.whl puts NumPy for WebAssembly into the folder; without it a visitor's browser loads it from Pyodide's CDN.
browser: $(VENV)/installed
	$(BIN)/python -m torchref.browser site/check $(if $(NUMPY),--numpy $(NUMPY))

certify: $(VENV)/installed-test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.certify $(if $(SCHEDULER),--scheduler $(SCHEDULER)) $(ONLY)

clean:
	rm -rf $(VENV) build site notebooks .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A stamp a set of packages, so that installing is repeated only when what is to be installed has changed.
$(VENV)/installed: extras :=
$(VENV)/installed-test: extras := [test,models,browser,notebooks,cluster]
$(VENV)/installed-dev: extras := [dev]
$(VENV)/installed-docs: extras := [docs]
$(VENV)/installed-notebooks: extras := [notebooks]
$(VENV)/installed-peers: extras := [test,peers]
$(VENV)/installed $(VENV)/installed-test $(VENV)/installed-dev $(VENV)/installed-docs $(VENV)/installed-notebooks $(VENV)/installed-peers: \
		$(VENV)/made pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".$(extras)"
	@touch $@

$(VENV)/made:
	@$(or $(PYTHON),python3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "torchref needs Python 3.11 or newer; here is $$($(or $(PYTHON),python3) --version 2>/dev/null || echo none)."; \
		echo "Debian, Ubuntu: sudo apt install python3.12 python3.12-venv    macOS: brew install python@3.13"; \
		echo "Anywhere: https://www.python.org/downloads/, then: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; \
		exit 1; } >&2
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: its module venv (or ensurepip) is missing."; \
		echo "Debian, Ubuntu: sudo apt install python3-venv; then again: make $(MAKECMDGOALS)"; exit 1; } >&2
	$(PYTHON) -m venv $(VENV)
	@touch $@
