# Habits of developers. Users need none of this: python3 manage.py demo, python3 manage.py test.
PYTHON := .venv/bin/python
COMPILE := uv pip compile pyproject.toml --extra embedded --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --quiet

# Where the data sets of the issue lie (openstack-nova/, ravenstack/).
DATA ?= ../shared/data

.PHONY: setup lint format test lock foresight alert-quality

setup:  ## the environment with everything for development
	python3 manage.py version
	$(PYTHON) -m pip install --quiet --require-hashes --no-deps -r requirements-ci.lock

lint:  ## what CI checks before the tests
	bash .ci/lint

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

test:
	python3 manage.py test

lock:  ## after a change of the dependencies in pyproject.toml; add --upgrade by hand for new releases
	$(COMPILE) --group test -o requirements.lock
	$(COMPILE) --group test --group receivers --group browser --group lint -c requirements.lock -o requirements-ci.lock
	$(COMPILE) --extra bench -c requirements.lock -o requirements-bench.lock

foresight:  ## what the stock health config would have foreseen, beside baselines; writes docs/foresight.md
	python3 manage.py version
	$(PYTHON) -m pip install --quiet --require-hashes --no-deps -r requirements-bench.lock
	$(PYTHON) -m bench foresight --data $(DATA)

alert-quality:  ## how the ready-made alert rules would have done; writes docs/alert-quality.md (WEEKS=4 only tries it)
	python3 manage.py version
	$(PYTHON) -m bench alertquality --data $(DATA) $(if $(WEEKS),--weeks $(WEEKS))
