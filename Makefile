# Where cargo builds; it follows CARGO_TARGET_DIR too.
BUILD  := $(or $(CARGO_TARGET_DIR),target)
NODE   := $(BUILD)/release/warcdl-node

# A disk that forgets, and planted bugs.
TEST_FEATURES := warcdl-actors/testkit,warcdl-actors/mutants

.DEFAULT_GOAL := help
.PHONY: help setup build portable demo test test-sim test-crash test-edge test-kill test-yarn test-kerberos bench-commit bench-read bench-extract bench-image bench-threads bench-hostile bench-gold hadoop-local-check fuzz fuzz-smoke fuzz-corpus lint sample clean-results

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## fetch ONNX Runtime into runtime/ (CUDA=1: for NVIDIA GPUs)
	@scripts/fetch-onnxruntime.sh $(if $(filter-out 0,$(CUDA)),--cuda)

build: ## build the program
	cargo build --release --locked --bin warcdl-node

# glibc of the nodes that the portable build is for: CentOS 7 and all that is newer.
GLIBC := 2.17

portable: $(BUILD)/zig/installed ## build the program for nodes with an older glibc (GLIBC=2.17), into target/portable/
	PATH="$(abspath $(BUILD)/zig)/bin:$$PATH" cargo zigbuild --release --locked --bin warcdl-node --target $(shell uname -m)-unknown-linux-gnu.$(GLIBC)
	@mkdir -p $(BUILD)/portable
	@cp $(BUILD)/$(shell uname -m)-unknown-linux-gnu/release/warcdl-node $(BUILD)/portable/warcdl-node
	@echo "$(BUILD)/portable/warcdl-node: name it in yarn.artifact"

# Zig has the headers and symbols of every glibc, and comes as a Python package, as does the tool that makes it cargo's linker.
$(BUILD)/zig/installed:
	python3 -m venv $(BUILD)/zig
	$(BUILD)/zig/bin/pip --disable-pip-version-check install --quiet cargo-zigbuild==0.24.1 ziglang==0.17.1
	@touch $@

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

test-edge: ## what comes out of archives with one oddity each: CASES=… names the folder that has them and cases.json
	@[ -n "$(CASES)" ] || { echo "CASES=… names a folder with archives and a cases.json"; exit 2; }
	cargo test --workspace --locked --test edge -- $(abspath $(CASES))

test-kill: ## kill the processes of real runs at random, 200 times; KILLS=… and SEED=… set how often and when
	cargo test --workspace --locked --test kill -- $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED))

test-yarn: ## whole jobs and their client on a real Hadoop, under faults; needs JDK 17 and Maven; SHORT=1: some faults; FAULTS=F1,F8: these; PROGRAM=target/portable/warcdl-node: with this on the cluster
	cargo test --locked -p warcdl-yarn --test peer
	cargo test --locked -p warcdl-yarn --test real
	cargo test --workspace --locked --test yarn-cluster -- $(if $(filter-out 0,$(SHORT)),--short) $(if $(FAULTS),--faults $(FAULTS)) $(if $(PROGRAM),--program $(abspath $(PROGRAM)))

test-kerberos: ## logins by Kerberos against a realm and Hadoop's own server; what a Debian lacks for it is installed
	@scripts/kerberos-packages.sh
	cargo clippy --workspace --locked --features kerberos -- -D warnings
	cargo clippy --locked -p warcdl-yarn --features kerberos --all-targets -- -D warnings
	cargo test --locked -p warcdl-yarn --features kerberos --test peer

bench-commit: ## what commits cost: with them against without, in pairs
	cargo bench --locked --bench commit

bench-read: $(BUILD)/bench-venv/installed ## reading archives, against FastWARC
	cargo bench --locked --bench read -- $(abspath $(BUILD)/bench-venv)/bin/python

bench-extract: $(BUILD)/bench-venv/installed ## pages to texts and tokens, against Resiliparse; PAGES=… names a folder of archives
	cargo bench --locked --bench extract -- $(abspath $(BUILD)/bench-venv)/bin/python $(if $(PAGES),$(abspath $(PAGES)))

bench-image: $(BUILD)/bench-venv/installed ## pictures from archive to pixels, against FastWARC and Pillow
	cargo bench --locked --bench image -- $(abspath $(BUILD)/bench-venv)/bin/python

bench-threads: ## two threads in a reader against one; on a machine that does nothing else
	cargo bench --locked --bench threads

bench-hostile: ## pages that bring parsers down, against limits of time and memory
	cargo bench --locked --bench hostile

bench-gold: ## how good the main text is: GOLD=… names a folder of scrapinghub's article-extraction-benchmark
	@[ -n "$(GOLD)" ] || { echo "GOLD=… names a clone of github.com/scrapinghub/article-extraction-benchmark"; exit 2; }
	cargo bench --locked --bench gold -- $(abspath $(GOLD))
	cd $(GOLD) && python3 evaluate.py

$(BUILD)/bench-venv/installed: benches/requirements.txt
	python3 -m venv $(BUILD)/bench-venv
	$(BUILD)/bench-venv/bin/pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

fuzz: ## feed one target hostile bytes until it breaks: TARGET=members, warc_header, http, charset, html or picture
	@scripts/fuzz.sh $(TARGET)

fuzz-smoke: ## every target for ten seconds, from the corpus that is kept
	@scripts/fuzz.sh smoke

fuzz-corpus: ## make the corpus of the fuzz targets anew
	cargo run --locked --example fuzz-corpus

hadoop-local-check: ## a real Hadoop on this machine, for work on YARN: start it, break it, stop it
	@hadoop/local/check.py

lint: ## check format and lints, as for every change
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --features $(TEST_FEATURES) -- -D warnings
	cargo clippy --workspace --locked --test edge --test kill --test peer --test real --test yarn-cluster -- -D warnings
	cargo fmt --manifest-path fuzz/Cargo.toml --all --check

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
