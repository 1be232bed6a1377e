# make: set up, then the study.   make help: everything else.

CONFIG ?= config/config.yaml
CORES ?= all
OPTIONS ?=
PYTHON ?= python3

BIN := .venv/bin
READY := .venv/ready
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)/workflow

.PHONY: study smoke human-study defects seeds observers-embedded compare reference-pages setup estimate test wheel-test lint dag examples lock help

# One make at a time works in a folder; a second one waits. Where there is no flock, Snakemake's own lock refuses it.
alone := mkdir -p .snakemake && exec 9> .snakemake/make.lock && if command -v flock > /dev/null; then \
	flock --nonblock 9 || { echo "Another make is running in this folder: waiting for it." && flock 9; }; fi

# The marker outlives a run only if that was killed; then the locks that Snakemake finds are left over from it.
# $(1): the target of the Snakefile, or nothing for the whole study. $(2): what follows CONFIG: another overlay, options.
workflow = $(alone); \
	if [ -e .snakemake/make.running ] && [ -n "$$(ls .snakemake/locks 2> /dev/null)" ]; then \
		echo "The last run was killed: resuming where it stopped."; \
		snakemake --unlock --configfile $(CONFIG) 2> /dev/null; \
	fi; \
	touch .snakemake/make.running; \
	snakemake $(1) --cores $(CORES) --configfile $(CONFIG) $(2) --logger rich $(OPTIONS); status=$$?; \
	[ $$status -gt 128 ] || rm -f .snakemake/make.running; \
	exit $$status

study: setup
	@python -m semsim.config.study $(CONFIG) > /dev/null
	@$(call workflow)
	@python -m semsim.config.study $(CONFIG)

# Every stage at minimal size.
smoke: CONFIG = config/config.yaml config/smoke.yaml
smoke: study

# The published labels of people: their tables, and the notebooks on them.
human-study: setup
	@$(call workflow,human_study)
	@echo "Notebooks and tables are in results/human-study/; those of human_study_labels in results/human-study-others/."

# Each defect of the paper's released code on the results of the study CONFIG, under its own name; then the notebook.
defects: CONFIG = config/config.yaml config/real-small.yaml
defects: setup
	@base=$$(python -c 'import sys; from semsim.config.study import Study, read_config; print(Study(read_config(*sys.argv[1:])).name)' $(CONFIG)) && \
	for overlay in config/ablations/defects/*.yaml; do \
		number=$$(basename $$overlay | cut -d- -f1); \
		names="study=$$base-defect-$$number"; \
		if grep -q '^builds_on:' $$overlay; then names="$$names builds_on=$$base"; fi; \
		($(call workflow,,$$overlay --config $$names)) || exit; \
	done; \
	($(call workflow,defects)) && echo "Their effects on the conclusions: results/$$base/notebooks/07_defects.html"

# The study CONFIG with its other seeds, each under its own name; then its report, which shows what holds across seeds.
seeds: study
	@for run in $$(python -c 'import sys; from semsim.config.study import Study, read_config; study = Study(read_config(*sys.argv[1:])); print(*(f"study={name}:seed={seed}" for name, seed in study.replications.items() if name != study.name))' $(CONFIG)); do \
		($(call workflow,conclusions,--config $${run%:*} $${run#*:})) || exit; \
	done
	@$(call workflow,seeds)
	@$(call workflow,report)

# The networks that ship with semsim, trained from scratch: observers of embedded images, and initial weights of SemSim.
LIBRARY := workflow/semsim
observers-embedded: setup
	@$(call workflow,observers_embedded)
	@cp -R results/embedded/observers/. $(LIBRARY)/observers/shipped/
	@cp -R results/embedded/starts/. $(LIBRARY)/learned/starts/
	@echo "They are in $(LIBRARY)/observers/shipped/ and $(LIBRARY)/learned/starts/."

# A new run of a study against its reference, within tolerances: make compare STUDY=human-study
STUDY ?= demo
compare: setup
	@python -m semsim.results.reference compare $(STUDY)

# The HTML pages of reference results, which are too large for git, for a release: from finished runs in results/.
REFERENCES ?= demo human-study photographs
ARCHIVE ?= reference-pages.zip
reference-pages: setup
	@python -m semsim.results.reference pages $(ARCHIVE) $(REFERENCES)

setup: $(READY)
	@:

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 5))' || \
		{ echo "semsim needs Python 3.11.5 or later, and $(PYTHON) is older or missing. Try: make PYTHON=python3.12"; exit 1; }
	@$(alone); \
	echo "Setting up .venv: a few minutes the first time." && \
	$(PYTHON) -m venv .venv && \
	$(BIN)/pip install -qq -r requirements.txt && \
	$(BIN)/pip install -qq --no-deps --no-build-isolation --editable . && \
	{ $(BIN)/semsim fetch > /dev/null || echo "Continuing without them."; } && \
	touch $@

# How long the attacks of a study will take, from measured rates: make estimate CONFIG=... DEVICE="NVIDIA H100"
DEVICE ?= cpu
estimate: setup
	@python -m semsim.config.estimate $(CONFIG) --device "$(DEVICE)"

# As many tests at a time as there are cores, four at most: each process imports PyTorch.
test: setup
	@pytest --numprocesses logical --maxprocesses 4 --dist worksteal

# The wheel, built and used in an empty folder, in a fresh environment.
wheel-test:
	PYTHON=$(PYTHON) tests/wheel/run.sh

lint: setup
	ruff check
	ruff format --check
	snakefmt --check Snakefile workflow
	snakemake --lint

# The picture of the stages, docs/stages.svg.
dag: setup
	@mkdir -p .snakemake
	@snakemake all human_study --rulegraph --configfile config/config.yaml > .snakemake/rulegraph.dot
	@python docs/draw_stages.py < .snakemake/rulegraph.dot

# The picture at the top of README.md, docs/examples.png, from the default study.
examples: study
	@python docs/draw_examples.py

# Brings requirements.txt in line with pyproject.toml. Versions are kept; delete a line to get the newest version.
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/pip install -qq --constraint requirements.txt --editable '.[study,dev]'
	{ grep '^#' requirements.txt; .venv-lock/bin/pip list --format=freeze \
		| sed 's/+.*//' | grep -viE '^(pip|semsim|triton|(nvidia|cuda)-.*)==' | sort -f; } > .venv-lock/lock
	mv .venv-lock/lock requirements.txt
	rm -r .venv-lock

help:
	@echo "make                  set up, run the study of config/config.yaml, print the report's path"
	@echo "make CONFIG='config/config.yaml config/ablations/margin.yaml'    the same with changes on top: another study"
	@echo "make smoke            every stage at minimal size, in a few minutes"
	@echo "make human-study      the same statistics on the published human labels (downloaded, or from SEMSIM_MIRROR)"
	@echo "make defects          the effects of defects in the paper's released code, on photographs or on CONFIG"
	@echo "make seeds            the study with ten seeds, and what holds across them; CONFIG as above"
	@echo "make observers-embedded  retrain the networks that ship with semsim: an hour"
	@echo "make estimate         how long the attacks of CONFIG will take on DEVICE=cpu, without running them"
	@echo "make compare          compare the tables of STUDY=demo with its reference"
	@echo "make reference-pages  pack the HTML pages of finished REFERENCES='demo human-study photographs' for a release"
	@echo "make setup            only create .venv, from requirements.txt, and fetch pretrained networks"
	@echo "make test             set up and run the tests"
	@echo "make wheel-test       build the wheel and use it in a fresh environment"
	@echo "make lint             check the style of code and workflow"
	@echo "make dag              draw docs/stages.svg, the picture of the stages"
	@echo "make examples         draw docs/examples.png, the picture in README.md, from the default study"
	@echo "make lock             update requirements.txt from pyproject.toml"
	@echo "Options: CORES=2 (all), PYTHON=python3.12 (python3), OPTIONS='--keep-going' (of Snakemake)"
	@echo "Single stages, with .venv active: snakemake --cores all data|targets|attacks|metrics|labels|faithfulness|..."
	@echo "A finished study as a single page: snakemake --report page.html --configfile CONFIG"
