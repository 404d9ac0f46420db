# Two commands: `make drill` breaks a disposable copy of this machine and lets orderd repair it; `make test` proves the project.
# Options of the drill: BATTERY=name HOSTS=n MINUTES=n FAULTS=a,b SEED=n KEEP=1 RESUME=1; NO_APT=1 refuses to install Debian packages and lists them instead.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export ORT_DISABLE_TELEMETRY := 1
export GRPC_ENABLE_FORK_SUPPORT := 0

.PHONY: drill test reliability prove bench bundle proto clean

drill: $(VENV)/.drill ## break a disposable host, let orderd repair it, prove it
	@$(BIN)/ordertrainer drill $(if $(BATTERY),--battery $(BATTERY)) $(if $(HOSTS),--hosts $(HOSTS)) \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep) \
	  $(if $(RESUME),--resume)

test: $(VENV)/.test ## everything: linters, types, unit, contract, integration, drill tests
	@command -v dbus-daemon >/dev/null || [ -n "$(NO_APT)" ] || { echo 'installing the Debian package dbus-daemon'; apt-get install -y -qq dbus-daemon >/dev/null; }
	@command -v java >/dev/null || [ -n "$(NO_APT)" ] || { echo 'installing the Debian package default-jre-headless'; apt-get update -qq && apt-get install -y -qq default-jre-headless >/dev/null; }
	@$(BIN)/ordertrainer host prepare
	@$(BIN)/pytest --numprocesses 2 $(PYTEST_ARGS)

reliability: $(VENV)/.test ## T1 to T20 against their limits, written to out/reliability.json; NIGHTLY=1 for the large sizes
	@$(BIN)/ordertrainer host prepare
	@ORDERD_RELIABILITY_OUT=out/reliability.json $(if $(NIGHTLY),ORDERD_RELIABILITY=nightly) $(BIN)/pytest tests/reliability $(PYTEST_ARGS)

prove: $(VENV)/.drill ## every fault and every cure on disposable hosts, into out/catalogue.json; goes on where it was interrupted
	@$(BIN)/ordertrainer host prepare
	@$(BIN)/ordertrainer catalogue prove

bench: $(VENV)/.test ## benchmarks; compare with a peer in the same run
	@for b in tests/bench/bench_*.py; do echo "== $$b"; $(BIN)/python $$b || exit 1; done

bundle: $(VENV)/.drill ## the release bundle that playbooks/fleet/install.yml installs
	@$(BIN)/python -m orderd.packaging.bundle

proto: $(VENV)/.test ## regenerate daemon/orderd/v1 from proto/
	@$(BIN)/python proto/generate.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  [ -z "$(NO_APT)" ] || { echo "needs the Debian package python3-venv (NO_APT=1 is set, so nothing was installed)"; exit 1; }; \
	  echo "installing the Debian package python3-venv"; apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.drill: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing orderd and what a drill needs into $(VENV) (the first time downloads about 350 MB)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[drill]'
	@touch $@

$(VENV)/.test: $(VENV)/.drill
	@echo "installing the trainer and the test tools into $(VENV) (torch: about 200 MB)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[trainer,dev]'
	@touch $@

clean: ## remove generated files, not the cached drill image
	@rm -rf out build dist .pytest_cache .ruff_cache
