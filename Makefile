# The developers' commands. Each sets up what it needs; python3 and make are enough.

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
# Where this is set, every Airflow process compiles all of Airflow anew.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONUNBUFFERED := 1
# Nothing of the user's own Airflow is read or written.
export AIRFLOW_HOME := $(CURDIR)/.airflow/tests
export UV_SYSTEM_CERTS := true

.DEFAULT_GOAL := help
.PHONY: help setup demo airflow test test-docs test-optional test-faults test-faults-quick test-secrets test-scale test-night lint types contract contract-live refresh test-sdk test-airflow test-waits test-rotation test-kill test-celery test-account soak bench matrix matrix-quick test-wheel pictures docs house build clean

# All targets that say what they do, under the headings of this file.
help:
	@awk -F ':.*## ' '/^##@/ { print substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-20s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ What a contribution needs

test: setup ## the fast tests
	$(PYTHON) -m pytest tests -p no:schemathesis -n auto --dist worksteal --ignore=tests/airflow --ignore=tests/contract --ignore=tests/faults --ignore=tests/docs

lint: setup ## ruff, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

airflow: setup ## a real Airflow with the example DAGs and its UI, until Ctrl-C
	@$(PYTHON) -m dev.demo --stay

docs: setup ## build the documentation; a warning is an error
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet -r dev/docs_requirements.txt
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

##@ The rest

setup: ## make .venv, or bring it up to date
	@dev/setup.sh $(VENV)

demo: setup ## run the first example DAGs on a real Airflow, against the sandbox
	@$(PYTHON) -m dev.demo

test-docs: docs ## every code block and table of the documentation
	$(PYTHON) -m pytest tests/docs

test-optional: ## what other packages bring: Google Cloud Storage and Azure on emulators; warehouses' operators; the notebook; metrics and OpenLineage on a real Airflow
	@dev/setup.sh .venvs/optional
	VIRTUAL_ENV=$(CURDIR)/.venvs/optional .venvs/optional/bin/uv pip install --quiet -r dev/optional_requirements.txt -r dev/notebook_requirements.txt -c dev/constraints/3.3.2.txt
	if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --prefix .venvs/optional/azurite azurite@3.35.0; fi
	.venvs/optional/bin/python -m pytest tests/storage/test_gcs.py tests/storage/test_azure.py tests/unit/operators/test_lineage.py tests/docs/test_recipes.py tests/docs/test_notebook.py tests/airflow/test_observability.py --timeout 900

test-faults: setup ## the fault matrix: every fault, at each call, in each mode (long)
	$(PYTHON) -m pytest tests/faults -s

test-faults-quick: setup ## a fifth of the fault matrix: every fault at each call, in two of the modes
	$(PYTHON) -m pytest tests/faults -s --quick

test-secrets: setup ## no secret anywhere, on a real Airflow at level DEBUG
	$(PYTHON) -m pytest tests/airflow/test_secrets.py --timeout 900 -s

test-scale: setup ## 200 sensors deferred at once on a real Airflow
	$(PYTHON) -m pytest tests/airflow/test_deferred_at_scale.py --timeout 900 -s

test-night: setup ## 300 mapped reports under a quota, the triggerer killed in their middle, REPORTS=120 for fewer; two queues, and tasks that leave one (installs PostgreSQL)
	$(PYTHON) -m pytest tests/airflow/test_night.py tests/airflow/test_turns.py --timeout 3600 -s

types: setup ## mypy, strict
	$(BIN)/mypy

contract: setup ## the catalogue and the sandbox against Criteo's specifications
	$(PYTHON) -m pytest tests/contract

contract-live: setup ## what Criteo publishes today, against the package's data: FOLDER=... keeps the files
	$(PYTHON) -m dev.contract_live $(if $(HOST),--host $(HOST)) $(if $(FOLDER),--save $(FOLDER))

refresh: setup ## the data and the catalogue's page from the specifications in FOLDER=...; DOCUMENTED=... the columns and limits, too
	$(PYTHON) -m dev.refresh $(FOLDER) $(DOCUMENTED)

# Each version of Criteo's API has an SDK of its own under the same name: a folder each.
SDKS := $(addprefix criteo-api-,marketingsolutions-sdk==0.0.261026 retailmedia-sdk==0.0.261026 \
	retailmedia-sdk==2026.1.0.261026 retailmedia-sdk==2026.7.0.261026 retailmedia-sdk==2027.1.0.261026)

test-sdk: setup ## Criteo's own Python SDKs against the sandbox
	@for sdk in $(SDKS); do VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --target .venvs/sdk/$$sdk $$sdk || exit; done
	PYTHONPATH=$$(echo .venvs/sdk/* | tr ' ' ':') $(PYTHON) -m pytest tests/contract/test_sdk.py

test-airflow: setup ## on a real Airflow, in a few minutes (installs PostgreSQL)
	$(PYTHON) -m pytest tests/airflow/test_report.py tests/airflow/test_examples.py tests/airflow/test_parallelism.py tests/airflow/test_dag_test.py tests/airflow/test_postgres.py --timeout 900

test-waits: setup ## on a real Airflow whose vault and whose database are away for a while (installs PostgreSQL)
	$(PYTHON) -m pytest tests/airflow/test_waits.py --timeout 900

test-rotation: setup ## on a real Airflow whose refresh token changes at each use; ONLY=2.11.2-py3.11 for another (installs PostgreSQL)
	$(if $(ONLY),@dev/setup.sh .venvs/$(ONLY) $(subst -py, ,$(ONLY)))
	$(if $(ONLY),.venvs/$(ONLY)/bin/python,$(PYTHON)) -m pytest tests/airflow/test_rotated_tokens.py --timeout 1500

test-kill: setup ## kill any process of a real Airflow at any moment (installs PostgreSQL)
	$(PYTHON) -m pytest tests/airflow --timeout 900 -m kill

test-celery: setup ## on CeleryExecutor with two workers (installs PostgreSQL and Redis)
	$(PYTHON) -m pytest tests/airflow --timeout 900 -m celery

test-account: setup ## two years of twelve accounts on a real Airflow (long)
	$(PYTHON) -m pytest tests/airflow/test_account.py --timeout 3600 -s

soak: setup ## ten minutes of reports with faults and kills
	$(PYTHON) -m benchmarks.soak

bench: ## measure imports, waits under a quota, scale and the download, beside their peers
	@dev/setup.sh .venvs/bench
	VIRTUAL_ENV=$(CURDIR)/.venvs/bench .venvs/bench/bin/uv pip install --quiet -r dev/bench_requirements.txt -c dev/constraints/3.3.2.txt
	.venvs/bench/bin/python -m benchmarks

matrix: setup ## every supported Airflow, on the Pythons that it allows; ONLY=3.0.6-py3.11 for one of them
	$(PYTHON) -m dev.matrix $(if $(ONLY),--only $(ONLY))

matrix-quick: setup ## the oldest and the newest Airflow in full, one task on each between them
	$(PYTHON) -m dev.matrix --quick

test-wheel: build ## the wheel alone in the oldest and the newest Airflow, as README says
	$(PYTHON) -m dev.wheel

# The connection form is another one on Airflow 2.
AIRFLOW_2 := .venvs/2.11.2-py3.11

pictures: setup ## the documentation's pictures; into .airflow/pictures each example's run, to look at
	@dev/setup.sh $(AIRFLOW_2) 2.11.2 3.11
	VIRTUAL_ENV=$(CURDIR)/$(AIRFLOW_2) $(BIN)/uv pip install --quiet playwright
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet playwright -r dev/notebook_requirements.txt -c dev/constraints/3.3.2.txt
	$(AIRFLOW_2)/bin/python -m dev.form_pictures
	$(PYTHON) -m dev.form_pictures
	$(PYTHON) -m dev.ui_pictures
	$(PYTHON) -m dev.notebook_picture

house: setup ## how large the code base is: what one call runs through, import circles, lines of code
	$(PYTHON) -m dev.house 2>/dev/null

build: setup ## wheel and sdist, checked
	$(PYTHON) -m dev.build

clean: ## remove what the other commands made
	rm -rf .venv .venvs .airflow dist build site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
