# `make demo` shows the product, `make test` proves it, `make bench` measures it.
SHELL := /bin/bash
PY := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup setup-demo setup-calibrate setup-gpu setup-dev setup-kafka up demo check coverage test bench references clean

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

setup:  ## what the product needs: system packages, Python environment from the lock file
	@scripts/setup

setup-demo:  ## what `make demo` needs besides
	@scripts/setup --demo

setup-calibrate:  ## what `mosaicast calibrate` needs besides
	@scripts/setup --calibrate

setup-gpu:  ## detectors and embedders for an NVIDIA GPU besides; several GB
	@scripts/setup --gpu

setup-dev:  ## what the tests need besides
	@scripts/setup --dev

setup-kafka: setup  ## a real Apache Kafka (for `mosaicast up --kafka` and the tests)
	@scripts/setup-kafka

up: setup  ## run Mosaicast on this machine
	@.venv/bin/mosaicast up

demo: setup-demo  ## a sample broadcast, masked, with its addresses (SECONDS=60: that long, checked, with an exit status)
	@$(PY) -m bench.demo $(if $(SECONDS),--seconds $(SECONDS)) $(DEMO_ARGS)

check: setup-dev  ## the loop of a working day: linters, types and unit tests
	@scripts/test tests/unit --numprocesses 2 --dist loadfile

coverage: setup-dev  ## how much of the pure rooms the unit tests reach; fails below the floor
	@scripts/coverage

test: setup-dev setup-kafka  ## everything that must hold: linters, types and the tests of all tiers
	@scripts/test

bench: setup-dev  ## measure: writes bench/out/summary.json
	@$(PY) -m bench.run

references: setup-dev  ## write what comes from the code: docs/openapi.json, docs/reference
	@$(PY) -m tools.reference

clean:  ## forget the checkout's environments and caches; data stay where `mosaicast up` said
	rm -rf .venv .uv .cache bench/out
