# The entry point: `make help` explains every target.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_VERSION := 0.13.8
CHECKOV_VERSION := 3.3.30
KSERVE_VERSION := 0.21.0
BIN := .venv/bin
VENV := .venv/.installed
MODELS := $(patsubst models/%/model.yaml,%,$(wildcard models/*/model.yaml))
# onnxruntime opens a network connection at import unless it is told not to.
export ORT_DISABLE_TELEMETRY := 1

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-20s %s\n", $$1, $$2}'

## --- Python environment and locks

.PHONY: venv
venv: $(VENV) ## install the Python environment into .venv

# Empty installs a copy of the packages: everything in this folder is importable otherwise.
EDITABLE := --editable

# An incomplete .venv has no stamp, so it is recreated; `hatchling` is locked like the rest.
# `python -m` would look for modules in this folder first, pip and venv included.
$(VENV): export PYTHONSAFEPATH := 1
$(VENV): requirements/uv.txt requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(EDITABLE) .
	touch $@

COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' $(LOCK_ARGS)

.PHONY: lock
lock: ## lock pyproject.toml in requirements/*.txt (LOCK_ARGS=--upgrade for newer versions)
	$(COMPILE) --group dev --python-version 3.11 pyproject.toml -o requirements/dev.txt
	$(COMPILE) --group serve --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve.txt
	$(COMPILE) --group serve-sklearn --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve-sklearn.txt
	$(COMPILE) --group serve-boosters --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve-boosters.txt
	$(COMPILE) --group serve-otel --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve-otel.txt
	$(COMPILE) --group serve-sklearn-otel --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve-sklearn-otel.txt
	$(COMPILE) --group serve-boosters-otel --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve-boosters-otel.txt
	$(COMPILE) --group serve-cache --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve-cache.txt
	$(COMPILE) --group serve-sklearn-cache --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve-sklearn-cache.txt
	$(COMPILE) --group serve-boosters-cache --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/serve-boosters-cache.txt
	$(COMPILE) --group fetch --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/fetch.txt
	$(COMPILE) --group batch --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/batch.txt
	$(COMPILE) --group batch-sklearn --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/batch-sklearn.txt
	$(COMPILE) --group batch-boosters --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/batch-boosters.txt
	$(COMPILE) --group consume --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/consume.txt
	$(COMPILE) --group consume-sklearn --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/consume-sklearn.txt
	$(COMPILE) --group consume-boosters --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/consume-boosters.txt
	$(COMPILE) --group train --python-version 3.13 -c requirements/dev.txt pyproject.toml -o requirements/train.txt
	echo 'uv==$(UV_VERSION)' | $(COMPILE) --python-version 3.11 - -o requirements/uv.txt
	for file in tools/*/requirements.in; do $(COMPILE) --python-version 3.11 "$$file" -o "$${file%.in}.txt"; done
	echo 'checkov==$(CHECKOV_VERSION)' | $(COMPILE) --python-version 3.11 - -o requirements/checkov.txt
	echo 'kserve==$(KSERVE_VERSION)' | $(COMPILE) --python-version 3.11 - -o requirements/kserve.txt
	$(COMPILE) --group engines --python-version 3.11 -c requirements/dev.txt pyproject.toml -o requirements/engines.txt

# A manifest scanner with a hundred dependencies, some older than ours: it has its own environment.
.PHONY: checkov
checkov: .tools/checkov/.installed ## install the manifest scanner for the chart's tests

# So has KServe's SDK, whose clients are tested with the service.
.PHONY: kserve
kserve: .tools/kserve/.installed ## install KServe's SDK for the tests of its clients

# So have Spark and Ray, which predict by a bundle's function.
.PHONY: engines
engines: .tools/engines/.installed ## install Spark and Ray for the tests of batches

.tools/checkov/.installed .tools/kserve/.installed .tools/engines/.installed: .tools/%/.installed: requirements/%.txt $(VENV)
	$(PYTHON) -m venv --clear $(@D)
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes -r $<
	touch $@

# An emulator of Azure Blob Storage, published only on npm.
.PHONY: azurite
azurite: .tools/azurite/.installed ## install the Azure emulator for the download tests (needs npm)

.tools/azurite/.installed: tests/fetch/azurite/package.json tests/fetch/azurite/package-lock.json
	mkdir -p $(@D)
	cp $^ $(@D)/
	@command -v npm > /dev/null || { echo "npm is missing: apt-get install npm"; exit 1; }
	npm ci --prefix $(@D) --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error
	touch $@

# A broker published for Java. A mirror is in Maven's own settings: MAVEN_ARGS="--settings FILE".
.PHONY: kafka
kafka: .tools/kafka/.installed ## install Kafka for the tests of queues (needs Maven)

.tools/kafka/.installed: tests/queues/kafka/pom.xml tests/queues/kafka/SHA256SUMS
	$(KAFKA_JARS)
	@cd $(@D)/jars && LC_ALL=C sha256sum *.jar | diff --unified '$(CURDIR)/tests/queues/kafka/SHA256SUMS' - \
	  || { echo 'the jars are not those of SHA256SUMS: after a change of pom.xml run `make lock-kafka`'; exit 1; }
	touch $@

.PHONY: lock-kafka
lock-kafka: ## write the hashes of what tests/queues/kafka/pom.xml pins
	$(KAFKA_JARS)
	cd .tools/kafka/jars && LC_ALL=C sha256sum *.jar > '$(CURDIR)/tests/queues/kafka/SHA256SUMS'

define KAFKA_JARS
@command -v mvn > /dev/null || { echo "mvn is missing: apt-get install maven"; exit 1; }
rm -rf .tools/kafka
mvn --batch-mode --quiet --strict-checksums --file tests/queues/kafka/pom.xml $(MAVEN_ARGS) \
  dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory='$(CURDIR)/.tools/kafka/jars'
endef

## --- A model on this machine: no cluster, no root

.PHONY: models
models: $(MODELS:%=build/bundles/%/manifest.json) ## train and package the models whose inputs changed into build/bundles

# Always asked: make compares times, which git sets anew; `modelctl build` compares content.
build/bundles/%/manifest.json: always $(VENV)
	$(BIN)/modelctl build $* $(BUILD_ARGS)

# No file of that name is ever there.
always:

.PHONY: check-models
check-models: models ## check every model against its data.yaml and baseline.yaml (MODELS=iris for one)
	for model in $(MODELS); do $(BIN)/modelctl validate $$model; $(BIN)/modelctl gate $$model; done

# The image workflow's build, for this machine's processor.
.PHONY: image
image: $(VENV) ## build the image of MODEL=... with Docker as candidate:MODEL
	$(MAKE) --no-print-directory build/bundles/$(MODEL)/manifest.json
	docker build --target model --tag candidate:$(MODEL) --build-arg 'TITLE=$(MODEL)' \
	  $$($(BIN)/python -m modelctl.supply.builds inputs '$(MODEL)' \
	    | sed -n 's/^requirements=/--build-arg=REQUIREMENTS=/p; s/^bundle=/--build-arg=BUNDLE=/p; s/^version=/--build-arg=VERSION=/p') .

# With Docker the image is candidate:MODEL, or IMAGE=...; the sandbox builds its own.
.PHONY: test-image
test-image: $(VENV) ## run the image of MODEL=... as a pod would and verify it, with Docker or in the sandbox
	@if command -v docker > /dev/null; \
	then $(BIN)/modelctl test-image '$(or $(IMAGE),candidate:$(MODEL))' --bundle 'build/bundles/$(MODEL)'; \
	else $(BIN)/python -m sandbox test-image '$(MODEL)'; fi

# With the code of every model; in a registry it stands beside their images, as model_trainer.
.PHONY: trainer-image
trainer-image: $(VENV) ## build the image that trains the models with Docker as candidate:model_trainer
	$(MAKE) --no-print-directory trainer-inputs
	docker build --target trainer --tag candidate:model_trainer --build-arg REQUIREMENTS=train .

# As a pod with a read-only root would: it may write in /repository/build and /tmp alone.
TRAINED = $(or $(filter $(MODEL),$(MODELS)),$(firstword $(MODELS)))
.PHONY: test-trainer
test-trainer: ## train MODEL=... (or the first model) in the trainer's image, unprivileged and read-only
	docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges \
	  --tmpfs /repository/build:exec,mode=1777 --tmpfs /tmp:exec,mode=1777 '$(or $(IMAGE),candidate:model_trainer)' \
	  modelctl train '$(TRAINED)' --out /tmp/trained

.PHONY: run
run: build/bundles/iris/manifest.json ## serve the iris model on 127.0.0.1:8080 (PORT=...)
	$(BIN)/modelctl serve build/bundles/iris --port $${PORT:-8080}

## --- The sandbox: a real cluster with a real Argo CD on this machine (Linux, root)

.PHONY: preflight
preflight: ## check that this machine can run `make up`
	$(PYTHON) -m sandbox preflight

.PHONY: tools
tools: ## build missing command-line tools (TOOLS="helm4 ..." for some)
	$(PYTHON) -m tools build $(TOOLS)

# For the cluster of KUBE_CONTEXT; see `modelctl bootstrap --help` for BOOTSTRAP_ARGS.
REPO_URL ?= $(shell git remote get-url origin 2>/dev/null)
CHART_VERSION = $(shell sed -n 's/^version: *//p' charts/ml-model/Chart.yaml)
CHART_REGISTRY ?= $(shell sed -n 's/^chartRegistry: *//p' environments/environments.yaml)

.PHONY: up
up: ## start the sandbox and serve every model; with KUBE_CONTEXT=NAME set up Argo CD in that cluster instead
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
status: $(VENV) ## show what runs where: git and the cluster side by side
	@cd .sandbox/gitops && KUBECONFIG=$(CURDIR)/.sandbox/kubeconfig PATH="$(CURDIR)/.tools/bin:$$PATH" \
	  $(CURDIR)/$(BIN)/modelctl status

.PHONY: pipeline
pipeline: $(VENV) ## release MODEL=... from its commit to every environment, as the workflows do
	@$(PYTHON) -m tools build cosign
	@$(BIN)/python -m sandbox pipeline '$(MODEL)'

.PHONY: observe
observe: $(VENV) ## start Prometheus for the running sandbox, with the rules of every release
	$(PYTHON) -m tools build monitoring
	$(BIN)/python -m sandbox observe

.PHONY: delivery
delivery: $(VENV) ## start the Argo Rollouts controller for the running sandbox: canary and blue-green
	$(PYTHON) -m tools build delivery
	$(BIN)/python -m sandbox delivery

.PHONY: mesh
mesh: $(VENV) ## start Istio's control plane and a gateway for the running sandbox
	$(PYTHON) -m tools build mesh
	$(BIN)/python -m sandbox mesh

.PHONY: gateway
gateway: $(VENV) ## start Envoy Gateway for the running sandbox: A/B tests and shadows
	$(PYTHON) -m tools build gateway
	$(BIN)/python -m sandbox gateway

# Refuses to run with KUBE_CONTEXT: it destroys.
.PHONY: drill
drill: $(VENV) ## save, destroy and bring back the sandbox: a disaster drill (DRILL_ARGS="--dry-run", "--case etcd")
	$(BIN)/python -m sandbox drill $(DRILL_ARGS)

.PHONY: down
down: ## stop the sandbox and remove it; keep logs and caches
	$(PYTHON) -m sandbox down

## --- Generated files: committed, and tested to be up to date

.PHONY: generate
generate: $(VENV) ## generate the chart's schema, README, recipes and golden renders, and the dashboards
	$(BIN)/python -m grpc_tools.protoc -I app/protocols/grpc/protos --include_imports \
	  --descriptor_set_out=app/protocols/grpc/descriptors.binpb app/protocols/grpc/protos/*.proto
	$(BIN)/python -m modelctl.docs
	$(BIN)/python -m dashboards
	$(PYTHON) -m tools build helm-schema helm-docs helm4
	$(BIN)/python -m tests.chart.schema
	.tools/bin/helm-docs --chart-search-root charts --sort-values-order file
	.tools/bin/helm-docs --chart-search-root charts --sort-values-order file \
	  --values-file files/batch.yaml --template-files BATCH.md.gotmpl --output-file BATCH.md
	.tools/bin/helm-docs --chart-search-root charts --sort-values-order file \
	  --values-file files/training.yaml --template-files TRAINING.md.gotmpl --output-file TRAINING.md
	$(BIN)/python -m tests.chart.changelog
	$(BIN)/python -m tests.chart.goldens
	HELM=.tools/bin/helm4 $(BIN)/python -m modelctl.rendering.kustomize_base
	HELM=.tools/bin/helm4 $(BIN)/python -m modelctl.rendering.alert_rules

.PHONY: dashboard-pictures
dashboard-pictures: $(VENV) ## draw the dashboards with five minutes of real traffic into docs/images
	$(PYTHON) -m tools build monitoring
	$(BIN)/python -m tests.observability.pictures

.PHONY: package-chart
package-chart: $(VENV) ## package the chart reproducibly as build/charts/ml-model-<version>.tgz
	$(PYTHON) -m tools build helm4
	HELM=.tools/bin/helm4 $(BIN)/modelctl package-chart

.PHONY: push-chart
push-chart: package-chart ## push the packaged chart to REGISTRY=host/path; write its digest to build/charts/pushed
	@rm -rf build/charts/published && mkdir -p build/charts/published
	@if .tools/bin/helm4 pull $(PUSH_ARGS) 'oci://$(REGISTRY)/ml-model' --version '$(CHART_VERSION)' \
	    --destination build/charts/published > build/charts/published/log 2>&1; \
	then cmp --silent build/charts/published/*.tgz 'build/charts/ml-model-$(CHART_VERSION).tgz' \
	  || { echo 'error: $(CHART_VERSION) is published with other content in $(REGISTRY): raise `version` in Chart.yaml'; exit 1; }; fi
	.tools/bin/helm4 push $(PUSH_ARGS) build/charts/ml-model-$(CHART_VERSION).tgz 'oci://$(REGISTRY)' 2>&1 \
	  | tee /dev/stderr | sed -n 's/^Digest: //p' > build/charts/pushed
	test -s build/charts/pushed

.PHONY: release-notes
release-notes: ## print the changelog of the latest chart version
	@awk '/^## / {part++} part == 1' charts/ml-model/CHANGELOG.md

## --- Inputs of workflows, printed without other output (after `make venv`)

# In the environment make does not expand a name that somebody typed; in its arguments it would.
.PHONY: changed-models
changed-models: ## print the models whose image changed since the commit BASE=...; ONLY="..." for some
	@$(BIN)/python -m modelctl.supply.builds changed --since "$${BASE-}" --only "$${ONLY-}"

.PHONY: changed-trainer
changed-trainer: ## print whether the image that trains changed since the commit BASE=...; not with ONLY="..."
	@$(BIN)/python -m modelctl.supply.builds changed-trainer --since "$${BASE-}" --only "$${ONLY-}"

.PHONY: trainer-inputs
trainer-inputs: ## write build/trainer, and print the build arguments of the image that trains
	@$(BIN)/python -m modelctl.supply.builds trainer

.PHONY: planned-trainings
planned-trainings: ## print the trainings of environments/environments.yaml whose results are proposed
	@$(BIN)/python -m modelctl.promotion.trainings

.PHONY: registry
registry: ## print the lower-case name and the host of NAME=host/path, a repository in a registry
	@$(BIN)/python -m modelctl.supply.builds registry --name "$${NAME-}"

.PHONY: build-inputs
build-inputs: ## print the build arguments of the image of MODEL=..., from build/bundles
	@$(BIN)/python -m modelctl.supply.builds inputs '$(MODEL)'

## --- Benchmarks (on an idle machine with two cores)

.PHONY: bench
bench: $(VENV) build/bundles/penguins/manifest.json ## compare our service with its peers: requests/s, latency, memory (needs wrk)
	$(BIN)/python -m benchmarks.serving

.PHONY: bench-grpc
bench-grpc: $(VENV) build/bundles/penguins/manifest.json ## compare a call of gRPC with our HTTP path and with MLServer's gRPC
	$(BIN)/python -m benchmarks.calls

.PHONY: bench-batch
bench-batch: $(VENV) ## compare a batch with the bare engine and a scikit-learn loop: rows/s, memory; explanations
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.batch
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.batch_explained

.PHONY: bench-scale
bench-scale: $(VENV) ## measure Argo CD with 100 models in three environments: time and memory
	SCALE_MODELS=100 $(BIN)/python -m pytest tests/e2e/test_scale.py -v --capture=no

.PHONY: bench-check
bench-check: $(VENV) ## measure `modelctl check` with 2 to 1,000 models
	$(BIN)/python -m benchmarks.check

.PHONY: bench-day-two
bench-day-two: $(VENV) ## measure check, status and history with 1,003 models in three environments
	$(BIN)/python -m benchmarks.day_two

.PHONY: bench-package
bench-package: $(VENV) ## measure packaging to the first answer, and 5,000 columns: CPU, time, memory
	$(BIN)/python -m benchmarks.packaging

.PHONY: bench-exactness
bench-exactness: $(VENV) ## measure accuracy and speed of the engine of each estimator family
	$(BIN)/python -m benchmarks.exactness

.PHONY: bench-metrics
bench-metrics: $(VENV) build/bundles/penguins/manifest.json ## measure the cost of metrics and tracing per request (needs wrk)
	$(BIN)/python -m benchmarks.metrics
	$(BIN)/python -m benchmarks.tracing --prepared

.PHONY: bench-cache
bench-cache: $(VENV) ## measure three models with and without a cache, by ratio of hits (needs redis-server)
	$(BIN)/python -m benchmarks.cache

.PHONY: bench-hostile
bench-hostile: $(VENV) models ## let hostile clients loose on one pod's memory (as root; writes docs/reference/hostile-clients.md)
	$(BIN)/python -m benchmarks.hostile --write

.PHONY: bench-verdict
bench-verdict: $(VENV) ## simulate canaries of known truth: what aborts them, and when (writes docs/explanation/verdict.md)
	$(BIN)/python -m benchmarks.verdict --write
	$(BIN)/python -m benchmarks.verdict_means --write

## --- Supply chain: signatures, SBOM, provenance, vulnerabilities

# For IMAGE=registry/name@sha256:..., which may be a chart too. KEY=file signs with that cosign key
# (password in COSIGN_PASSWORD); without it signing is keyless, with the identity of the workflow.
# IN_SANDBOX=yes runs in the network of the sandbox, where its registry is.
MODEL ?= iris
COSIGN = $(if $(IN_SANDBOX),nsenter --net=/run/netns/ml-model-sandbox --) .tools/bin/cosign
# With a local key, neither a transparency log nor any other service is used.
NO_LOG = --trusted-root tools/cosign/no-log/trusted-root.json
SIGN_WITH = $(if $(KEY),--key '$(KEY)' --signing-config tools/cosign/no-log/signing-config.json $(NO_LOG),--yes)
VERIFY_WITH = $(if $(PUBLIC_KEY),--key '$(PUBLIC_KEY)' --insecure-ignore-tlog=true $(NO_LOG),\
  --certificate-identity-regexp '$(SIGNER)' --certificate-oidc-issuer https://token.actions.githubusercontent.com)
BUNDLES = build/bundles
LOCKS = requirements
PINNED = @[[ '$(IMAGE)' == *@sha256:* ]] || { echo "IMAGE='$(IMAGE)' has no digest, and a tag can move: use REPOSITORY@sha256:..."; exit 2; }
SBOM = build/sbom/$(MODEL).cdx.json
PROVENANCE = build/provenance/$(MODEL).json

.PHONY: cosign
cosign: ## build cosign, or use the same version on PATH
	@$(PYTHON) -m tools build cosign > /dev/null

.PHONY: signing-key
signing-key: cosign ## create the key pair build/keys/cosign.{key,pub} (KEY=...) unless it exists
	@mkdir -p "$$(dirname '$(or $(KEY),build/keys/cosign.key)')"
	@test -f '$(or $(KEY),build/keys/cosign.key)' || COSIGN_PASSWORD="$${COSIGN_PASSWORD-}" \
	  .tools/bin/cosign generate-key-pair --output-key-prefix '$(basename $(or $(KEY),build/keys/cosign.key))'

.PHONY: sign
sign: cosign ## sign IMAGE=...@sha256:... (KEY=file, or keyless in a workflow)
	$(PINNED)
	COSIGN_PASSWORD="$${COSIGN_PASSWORD-}" $(COSIGN) sign $(SIGN_WITH) '$(IMAGE)'

.PHONY: verify-signature
verify-signature: cosign ## verify the signature of IMAGE=... (PUBLIC_KEY=file, or SIGNER=regexp of a workflow)
	$(PINNED)
	$(COSIGN) verify $(VERIFY_WITH) '$(IMAGE)' > /dev/null

.PHONY: sbom
sbom: $(VENV) ## write the SBOM of the image of MODEL=..., or model_trainer (IMAGE=, INVENTORY=file)
	$(BIN)/python -m modelctl.supply sbom '$(MODEL)' --out '$(SBOM)' --bundles '$(BUNDLES)' --locks '$(LOCKS)' \
	  $(if $(IMAGE),--image '$(IMAGE)') $(if $(INVENTORY),--inventory '$(INVENTORY)')

.PHONY: provenance
provenance: $(VENV) ## write the provenance of the image of MODEL=..., or model_trainer
	$(BIN)/python -m modelctl.supply provenance '$(MODEL)' --out '$(PROVENANCE)' --bundles '$(BUNDLES)'

.PHONY: attest
attest: cosign ## sign and attach SBOM and provenance to IMAGE=... (MODEL=, KEY=)
	$(PINNED)
	COSIGN_PASSWORD="$${COSIGN_PASSWORD-}" $(COSIGN) attest $(SIGN_WITH) --type cyclonedx --predicate '$(SBOM)' '$(IMAGE)'
	COSIGN_PASSWORD="$${COSIGN_PASSWORD-}" $(COSIGN) attest $(SIGN_WITH) --type slsaprovenance1 --predicate '$(PROVENANCE)' '$(IMAGE)'

.PHONY: verify-attestations
verify-attestations: cosign ## verify both attestations of IMAGE=... (PUBLIC_KEY= or SIGNER=)
	$(PINNED)
	$(COSIGN) verify-attestation $(VERIFY_WITH) --type cyclonedx '$(IMAGE)' > /dev/null
	$(COSIGN) verify-attestation $(VERIFY_WITH) --type slsaprovenance1 '$(IMAGE)' > /dev/null

.PHONY: scan
scan: $(VENV) ## scan the images' requirements for known vulnerabilities (SCAN_ARGS=--may-be-unreachable)
	$(BIN)/python -m modelctl.supply scan $(SCAN_ARGS)

## --- Checks

.PHONY: lint
lint: $(VENV) ## check format, style, types, import rules, workflows, Dockerfile, shell, commits (BASE=...)
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
	$(BIN)/python -m tests.github.commits

.PHONY: format
format: $(VENV) ## format and fix the Python code with ruff
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: test
test: $(VENV) ## run the tests without a cluster, then on the sandbox the core loop and what changed since BASE=
	$(BIN)/python -m tests.run

.PHONY: test-fast
test-fast: $(VENV) ## run the tests that need no sandbox
	$(BIN)/python -m tests.run --fast

# The one list of what reads environments/; tests/github compares it with the tests themselves.
RELEASE_TESTS := tests/environments tests/argocd tests/chart/test_baselines.py tests/chart/test_compare.py \
  tests/chart/test_releases.py tests/modelctl/docs/test_generated.py \
  tests/modelctl/repository/test_strict_yaml.py

.PHONY: test-environments
test-environments: $(VENV) ## run the tests of environments/, which a release or a freeze can break
	$(PYTHON) -m tools build helm3 helm4 kubeconform kustomize yaml-reader
	$(BIN)/yamllint --strict environments
	$(BIN)/python -m pytest --quiet --numprocesses=auto --dist=loadfile $(RELEASE_TESTS)

.PHONY: test-all
test-all: $(VENV) ## run every test; fail on flaky ones too
	$(BIN)/python -m tests.run --all

.PHONY: coverage
coverage: $(VENV) ## run the unit tests and print which share of the code they run, by package
	$(PYTHON) -m tools build monitoring
	$(BIN)/python -m tests.measure_coverage

.PHONY: mutate
mutate: $(VENV) ## break guarded modules line by line and print what no test notices (MODULES="parity rules")
	$(BIN)/python -m tests.mutate $(MODULES)
