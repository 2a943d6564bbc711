# The one entry point: `make help` explains every target.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_VERSION := 0.13.8
CHECKOV_VERSION := 3.3.30
BIN := .venv/bin
VENV := .venv/.installed
MODELS := $(notdir $(patsubst %/,%,$(wildcard models/*/)))
# onnxruntime opens a network connection at import unless it is told not to.
export ORT_DISABLE_TELEMETRY := 1

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

## --- Python environment and locks

.PHONY: venv
venv: $(VENV) ## install everything Python needs into .venv

# A half-made .venv has no stamp, so it is made anew; `hatchling` is locked like the rest.
$(VENV): requirements/uv.txt requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' $(LOCK_ARGS)

.PHONY: lock
lock: ## write requirements/*.txt from pyproject.toml (LOCK_ARGS=--upgrade for newer versions)
	$(COMPILE) --group dev --python-version 3.11 pyproject.toml -o requirements/dev.txt
	$(COMPILE) --group serve --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve.txt
	$(COMPILE) --group serve-sklearn --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve-sklearn.txt
	$(COMPILE) --group serve-otel --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve-otel.txt
	$(COMPILE) --group serve-sklearn-otel --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve-sklearn-otel.txt
	$(COMPILE) --group fetch --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/fetch.txt
	$(COMPILE) --group train --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/train.txt
	echo 'uv==$(UV_VERSION)' | $(COMPILE) --python-version 3.11 - -o requirements/uv.txt
	echo 'checkov==$(CHECKOV_VERSION)' | $(COMPILE) --python-version 3.11 - -o requirements/checkov.txt

# A scanner of manifests with a hundred dependencies, some older than ours: in an environment of its own.
.PHONY: checkov
checkov: .tools/checkov/.installed ## install the scanner of manifests that the chart's tests run

.tools/checkov/.installed: requirements/checkov.txt $(VENV)
	$(PYTHON) -m venv --clear .tools/checkov
	$(BIN)/uv pip install --quiet --python .tools/checkov/bin/python --require-hashes -r requirements/checkov.txt
	touch $@

# An emulator of Azure's blob storage, which is published as a package of npm only.
.PHONY: azurite
azurite: .tools/azurite/.installed ## install the Azure emulator that tests of downloads run (needs npm)

.tools/azurite/.installed: tests/fetch/azurite/package.json tests/fetch/azurite/package-lock.json
	mkdir -p $(@D)
	cp $^ $(@D)/
	@command -v npm > /dev/null || { echo "npm is missing: apt-get install npm"; exit 1; }
	npm ci --prefix $(@D) --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error
	touch $@

## --- A model on this machine: no cluster, no root

.PHONY: models
models: $(MODELS:%=build/bundles/%/manifest.json) ## train and package every model into build/bundles

# One folder, one model: the bundle is made anew when its training code or ours changed.
build/bundles/%/manifest.json: models/%/train.py models/%/model.yaml $(shell find app modelctl -name "*.py") $(VENV)
	$(BIN)/python models/$*/train.py --out build/training/$*
	$(BIN)/modelctl package build/training/$* --config models/$*/model.yaml --out build/bundles/$*

.PHONY: check-models
check-models: models ## hold every model to its data.yaml and baseline.yaml (MODELS=iris for one)
	for model in $(MODELS); do $(BIN)/modelctl validate $$model; $(BIN)/modelctl gate $$model; done

# As the image workflow builds it, for this machine's processor.
.PHONY: image
image: $(VENV) ## build the image of MODEL=... with Docker, as candidate:MODEL
	$(MAKE) --no-print-directory build/bundles/$(MODEL)/manifest.json
	docker build --target model --tag candidate:$(MODEL) --build-arg 'TITLE=$(MODEL)' \
	  $$($(BIN)/python -m modelctl.supply.builds inputs '$(MODEL)' \
	    | sed -n 's/^requirements=/--build-arg=REQUIREMENTS=/p; s/^bundle=/--build-arg=BUNDLE=/p; s/^version=/--build-arg=VERSION=/p') .

# Docker's image is candidate:MODEL, or IMAGE=...; the sandbox builds its own.
.PHONY: test-image
test-image: $(VENV) ## run the image of MODEL=... as a pod runs it and ask it, with Docker or in the sandbox
	@if command -v docker > /dev/null; \
	then $(BIN)/modelctl test-image '$(or $(IMAGE),candidate:$(MODEL))' --bundle 'build/bundles/$(MODEL)'; \
	else $(BIN)/python -m sandbox test-image '$(MODEL)'; fi

.PHONY: run
run: build/bundles/iris/manifest.json ## serve the iris model on 127.0.0.1:8080 (PORT=...)
	$(BIN)/modelctl serve build/bundles/iris --port $${PORT:-8080}

## --- The sandbox: a real cluster with a real Argo CD on this machine (Linux, root)

.PHONY: preflight
preflight: ## say what `make up` would miss on this machine
	$(PYTHON) -m sandbox preflight

.PHONY: tools
tools: ## build every pinned command-line tool that is missing (TOOLS="helm4 ..." for some)
	$(PYTHON) -m tools build $(TOOLS)

# Of the cluster that KUBE_CONTEXT names; see `modelctl bootstrap --help` for BOOTSTRAP_ARGS.
REPO_URL ?= $(shell git remote get-url origin 2>/dev/null)
CHART_VERSION = $(shell sed -n 's/^version: *//p' charts/ml-model/Chart.yaml)
CHART_REGISTRY ?= $(shell sed -n 's/^chartRegistry: *//p' environments/environments.yaml)

.PHONY: up
up: ## start the sandbox and serve every model; with KUBE_CONTEXT=NAME set up that cluster's Argo CD instead
ifdef KUBE_CONTEXT
	$(MAKE) --no-print-directory venv
	$(BIN)/modelctl bootstrap --context '$(KUBE_CONTEXT)' --repo '$(REPO_URL)' --registry '$(CHART_REGISTRY)' $(BOOTSTRAP_ARGS)
else
	$(PYTHON) -m sandbox preflight
	$(PYTHON) -m sandbox packages
	$(PYTHON) -m tools build cluster
	$(MAKE) --no-print-directory venv
	$(BIN)/python -m sandbox up
endif

.PHONY: status
status: $(VENV) ## show what runs where: git beside the cluster
	@cd .sandbox/gitops && KUBECONFIG=$(CURDIR)/.sandbox/kubeconfig PATH="$(CURDIR)/.tools/bin:$$PATH" \
	  $(CURDIR)/$(BIN)/modelctl status

.PHONY: pipeline
pipeline: $(VENV) ## take MODEL=... from its commit to every environment, as the workflows do
	@$(PYTHON) -m tools build cosign
	@$(BIN)/python -m sandbox pipeline '$(MODEL)'

.PHONY: observe
observe: $(VENV) ## start Prometheus beside the running sandbox, with the rules of every release
	$(PYTHON) -m tools build monitoring
	$(BIN)/python -m sandbox observe

.PHONY: down
down: ## stop the sandbox and leave nothing behind
	$(PYTHON) -m sandbox down

## --- What is generated, checked in, and tested to be fresh

.PHONY: generate
generate: $(VENV) ## write the chart's schema, README, recipes and golden renders, the dashboards
	$(BIN)/python -m modelctl.docs
	$(BIN)/python -m dashboards
	$(PYTHON) -m tools build helm-schema helm-docs helm4
	cd charts/ml-model && ../../.tools/bin/helm-schema
	.tools/bin/helm-docs --chart-search-root charts --sort-values-order file
	$(BIN)/python -m tests.chart.changelog
	$(BIN)/python -m tests.chart.goldens
	HELM=.tools/bin/helm4 $(BIN)/python -m modelctl.rendering.kustomize_base
	HELM=.tools/bin/helm4 $(BIN)/python -m modelctl.rendering.rule_files

.PHONY: dashboard-pictures
dashboard-pictures: $(VENV) ## draw the dashboards from four minutes of real traffic into docs/images
	$(PYTHON) -m tools build monitoring
	$(BIN)/python -m tests.observability.pictures

.PHONY: package-chart
package-chart: $(VENV) ## write build/charts/ml-model-<version>.tgz, the same bytes from the same commit
	$(PYTHON) -m tools build helm4
	HELM=.tools/bin/helm4 $(BIN)/modelctl package-chart

.PHONY: push-chart
push-chart: package-chart ## push the packaged chart to REGISTRY=host/path; its digest goes into build/charts/pushed
	.tools/bin/helm4 push $(PUSH_ARGS) build/charts/ml-model-$(CHART_VERSION).tgz 'oci://$(REGISTRY)' 2>&1 \
	  | tee /dev/stderr | sed -n 's/^Digest: //p' > build/charts/pushed
	test -s build/charts/pushed

.PHONY: release-notes
release-notes: ## print what changed in the newest version of the chart
	@awk '/^## / {part++} part == 1' charts/ml-model/CHANGELOG.md

## --- What a workflow asks for, printed and nothing else (after `make venv`)

.PHONY: changed-models
changed-models: ## print the models whose image is another one than at the commit BASE=...
	@$(BIN)/python -m modelctl.supply.builds changed '$(BASE)'

.PHONY: build-inputs
build-inputs: ## print what the build of the image of MODEL=... is told, from build/bundles
	@$(BIN)/python -m modelctl.supply.builds inputs '$(MODEL)'

## --- Measurements (on a quiet machine with two cores)

.PHONY: bench
bench: $(VENV) build/bundles/penguins/manifest.json ## our service beside its peers: requests/s, latency, memory (needs wrk)
	$(BIN)/python -m benchmarks.serving

.PHONY: bench-scale
bench-scale: $(VENV) ## 100 models in three environments on the sandbox's Argo CD: time and memory
	SCALE_MODELS=100 $(BIN)/python -m pytest tests/e2e/test_scale.py -v --capture=no

.PHONY: bench-check
bench-check: $(VENV) ## time `modelctl check` with 2 to 1,000 models
	$(BIN)/python -m benchmarks.check

.PHONY: bench-exactness
bench-exactness: $(VENV) ## which engine each estimator family gets, how exact and how fast
	$(BIN)/python -m benchmarks.exactness

.PHONY: bench-metrics
bench-metrics: $(VENV) build/bundles/penguins/manifest.json ## what counting and tracing cost a request (needs wrk)
	$(BIN)/python -m benchmarks.metrics
	$(BIN)/python -m benchmarks.tracing --prepared

.PHONY: bench-memory
bench-memory: $(VENV) models ## how much memory each bundle needs, once and for each worker
	$(BIN)/python -m benchmarks.memory

## --- What an image consists of, where it comes from, and who says so

# Of IMAGE=registry/name@sha256:...; a chart in a registry is one too. KEY= signs with cosign's key in
# that file (password in COSIGN_PASSWORD); without it as the workflow that runs, keyless.
# IN_SANDBOX=yes runs in the sandbox's network, where its registry is.
MODEL ?= iris
COSIGN = $(if $(IN_SANDBOX),nsenter --net=/run/netns/ml-model-sandbox --) .tools/bin/cosign
# With a key of our own no transparency log is written or asked, nor any other service.
NO_LOG = --trusted-root tools/cosign/no-log/trusted-root.json
SIGN_WITH = $(if $(KEY),--key '$(KEY)' --signing-config tools/cosign/no-log/signing-config.json $(NO_LOG),--yes)
VERIFY_WITH = $(if $(PUBLIC_KEY),--key '$(PUBLIC_KEY)' --insecure-ignore-tlog=true $(NO_LOG),\
  --certificate-identity-regexp '$(SIGNER)' --certificate-oidc-issuer https://token.actions.githubusercontent.com)
BUNDLES = build/bundles
LOCKS = requirements
PINNED = @[[ '$(IMAGE)' == *@sha256:* ]] || { echo "IMAGE='$(IMAGE)' has no digest: a tag may be another image tomorrow"; exit 2; }
SBOM = build/sbom/$(MODEL).cdx.json
PROVENANCE = build/provenance/$(MODEL).json

.PHONY: cosign
cosign: ## build cosign, or take the same version from PATH
	@$(PYTHON) -m tools build cosign > /dev/null

.PHONY: signing-key
signing-key: cosign ## make a key pair build/keys/cosign.{key,pub} (KEY=...), once
	@mkdir -p "$$(dirname '$(or $(KEY),build/keys/cosign.key)')"
	@test -f '$(or $(KEY),build/keys/cosign.key)' || COSIGN_PASSWORD="$${COSIGN_PASSWORD-}" \
	  .tools/bin/cosign generate-key-pair --output-key-prefix '$(basename $(or $(KEY),build/keys/cosign.key))'

.PHONY: sign
sign: cosign ## sign IMAGE=...@sha256:... (KEY=file, or keyless in a workflow)
	$(PINNED)
	COSIGN_PASSWORD="$${COSIGN_PASSWORD-}" $(COSIGN) sign $(SIGN_WITH) '$(IMAGE)'

.PHONY: verify-signature
verify-signature: cosign ## fail unless IMAGE=... is signed (PUBLIC_KEY=file, or SIGNER=regexp of a workflow)
	$(PINNED)
	$(COSIGN) verify $(VERIFY_WITH) '$(IMAGE)' > /dev/null

.PHONY: sbom
sbom: $(VENV) ## write the bill of materials of MODEL's image (IMAGE=, INVENTORY=file)
	$(BIN)/python -m modelctl.supply sbom '$(MODEL)' --out '$(SBOM)' --bundles '$(BUNDLES)' --locks '$(LOCKS)' \
	  $(if $(IMAGE),--image '$(IMAGE)') $(if $(INVENTORY),--inventory '$(INVENTORY)')

.PHONY: provenance
provenance: $(VENV) ## write where MODEL's image comes from
	$(BIN)/python -m modelctl.supply provenance '$(MODEL)' --out '$(PROVENANCE)' --bundles '$(BUNDLES)'

.PHONY: attest
attest: cosign ## attach what `make sbom provenance` wrote to IMAGE=..., signed (MODEL=, KEY=)
	$(PINNED)
	COSIGN_PASSWORD="$${COSIGN_PASSWORD-}" $(COSIGN) attest $(SIGN_WITH) --type cyclonedx --predicate '$(SBOM)' '$(IMAGE)'
	COSIGN_PASSWORD="$${COSIGN_PASSWORD-}" $(COSIGN) attest $(SIGN_WITH) --type slsaprovenance1 --predicate '$(PROVENANCE)' '$(IMAGE)'

.PHONY: verify-attestations
verify-attestations: cosign ## fail unless IMAGE=... has both, signed (PUBLIC_KEY= or SIGNER=)
	$(PINNED)
	$(COSIGN) verify-attestation $(VERIFY_WITH) --type cyclonedx '$(IMAGE)' > /dev/null
	$(COSIGN) verify-attestation $(VERIFY_WITH) --type slsaprovenance1 '$(IMAGE)' > /dev/null

.PHONY: scan
scan: $(VENV) ## look for known vulnerabilities in what images install (SCAN_ARGS=--may-be-unreachable)
	$(BIN)/python -m modelctl.supply scan $(SCAN_ARGS)

## --- Checks

.PHONY: lint
lint: $(VENV) ## format, lint, types, import rules, workflows, Dockerfile and shell
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck .ci/run $$(git ls-files '*.sh')
	$(PYTHON) -m tools build actionlint
	.tools/bin/actionlint -shellcheck $(BIN)/shellcheck
	$(BIN)/zizmor --quiet --offline --persona auditor .github

.PHONY: format
format: $(VENV) ## let ruff rewrite what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: test
test: $(VENV) ## run every test; the end-to-end part needs root and starts the sandbox
	$(BIN)/python tests/run.py

.PHONY: test-fast
test-fast: $(VENV) ## run every test that needs no sandbox
	$(BIN)/python tests/run.py --fast

.PHONY: coverage
coverage: $(VENV) ## run the unit tests and print which share of the code they run, by package
	$(PYTHON) -m tools build monitoring
	$(BIN)/python tests/measure_coverage.py

.PHONY: mutate
mutate: $(VENV) ## break guarded modules line by line and print what no test notices (MODULES="parity rules")
	$(BIN)/python tests/mutate.py $(MODULES)
