# Where cargo builds; it follows CARGO_TARGET_DIR too.
TARGET := $(or $(CARGO_TARGET_DIR),target)
NODE   := $(TARGET)/release/warcdl-node

# A disk that forgets, and planted bugs.
TEST_FEATURES := warcdl-actors/testkit,warcdl-actors/mutants

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-sim test-crash test-kill bench-commit bench-read lint sample clean-results

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## fetch ONNX Runtime into runtime/ (CUDA=1: for NVIDIA GPUs)
	@scripts/fetch-onnxruntime.sh $(if $(filter-out 0,$(CUDA)),--cuda)

build: ## build the program
	cargo build --release --locked --bin warcdl-node

demo: setup build ## find the recipes and the captioned pictures of the sample archive
	@echo
	@echo "Recipes among the pages of examples/sample/sample.warc.gz, in ten languages:"
	$(NODE) --role gpu --config examples/demo-text.toml
	@echo
	@echo "Pictures with a caption in the same archive:"
	$(NODE) --role gpu --config examples/demo-image.toml
	@echo
	@echo "The positives are in results/demo-text/ and results/demo-image/."

test: setup ## run every test but the slow suites, which follow
	cargo test --workspace --locked

test-sim: ## the simulator: 20,000 seeds of faults over the real rules, and planted bugs
	cargo test --release --workspace --locked --features $(TEST_FEATURES) --test sim -- --seeds 20000

test-crash: ## break the writing of results off at every call to the disk
	cargo test --workspace --locked --features warcdl-actors/testkit --test crash

test-kill: ## kill the processes of real runs at random, 200 times; KILLS=… and SEED=… set how often and when
	cargo test --workspace --locked --test kill -- $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED))

bench-commit: ## what commits cost: with them against without, in pairs
	cargo bench --locked --bench commit

bench-read: $(TARGET)/bench-venv/installed ## reading archives, against FastWARC
	cargo bench --locked --bench read -- $(abspath $(TARGET)/bench-venv)/bin/python

$(TARGET)/bench-venv/installed: benches/requirements.txt
	python3 -m venv $(TARGET)/bench-venv
	$(TARGET)/bench-venv/bin/pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

lint: ## check format and lints, as for every change
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --features $(TEST_FEATURES) -- -D warnings
	cargo clippy --workspace --locked --test kill -- -D warnings

sample: .venv/installed ## make the sample archive and its two models anew
	.venv/bin/python examples/sample/make_archive.py
	.venv/bin/python examples/sample/train_text.py
	.venv/bin/python examples/sample/train_image.py
	.venv/bin/python examples/sample/evaluate.py

.venv/installed: examples/sample/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

clean-results: ## remove the results of the demo
	rm -rf results/demo-text results/demo-image
