# Everything a newcomer needs: `make demo` shows it, `make test` proves it.
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin

.PHONY: install demo test test-long lint docs clean

PIP_INSTALL = $(RUN)/pip install --quiet --disable-pip-version-check -c constraints.txt

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e .
	touch $@

# timm wants torchvision, whose wheel fits the one torch build that it names: both go beside the environment, for its tests.
$(VENV)/.testable: $(VENV)/.installed
	$(PIP_INSTALL) -e ".[test]"
	$(PIP_INSTALL) --no-deps --target $(VENV)/timm timm torchvision
	touch $@

demo: install
	$(RUN)/tailwise compare digits/long-tailed-if20 --loss ce,focal,balanced_softmax,gppe,sgpl --seeds 0-2 --out runs/demo

lint: $(VENV)/.testable
	$(RUN)/ruff check src tests benchmarks examples docs/pictures
	$(RUN)/ruff format --check src tests benchmarks examples docs/pictures
	$(RUN)/mypy

test: lint
	$(RUN)/pytest -n auto

# What takes minutes each, and `make test` leaves out.
test-long: $(VENV)/.testable
	$(RUN)/pytest -n auto -m long

docs: install
	$(PIP_INSTALL) -e ".[docs]"
	$(RUN)/mkdocs build --strict

clean:
	rm -rf $(VENV) runs/demo
