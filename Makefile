# `make` alone says what there is.
WORKSPACE := --workspace --features aion-cli/kubernetes,aion-daemon/kubernetes,aion-gateway/kubernetes

# A workspace of its own, so that its code generator is not linked into the worker.
COMPILER := --manifest-path node-agent/compiler/Cargo.toml

# As well, so that nothing else is built with its counters.
FUZZ := --manifest-path tests/fuzz/Cargo.toml

# And one that is built for WebAssembly; its tests run on this machine.
ANALYST := --manifest-path agents/analyst/Cargo.toml

# Each file of the repository that a shell runs, by its first line.
SCRIPTS = $(shell git ls-files -z | xargs -0 sh -c 'find "$$@" -maxdepth 0 -type f -print0' sh | xargs -0 awk 'FNR == 1 && /^\043!.*[ \/](ba)?sh( |$$)/ { print FILENAME } { nextfile }')

.DEFAULT_GOAL := help
.PHONY: help run test e2e cluster vm arm64 package images bench crds lint components clean

help: ## Says what there is
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Sets AION-OS up on this machine and starts it
	./install.sh --local

test: ## Runs every test, bringing the real components that they need
	tests/run

CLUSTER = etcd kubectl kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet pod kube-router helm

# PROGRAMS is a folder of programs that are built already, for its images; else they are built as they are released.
e2e: ## Runs the tests on a whole cluster on this machine, as root, and the long ones
	tests/components/ensure $(CLUSTER)
	packaging/images $(if $(PROGRAMS),--programs $(PROGRAMS))
	AION_KILLS=all tests/run -p aion-operator -p aion-e2e --test killed
	tests/run -p aion-cluster-tests --features cluster --test cluster -- --test-threads=1

cluster: ## A shell in a cluster on this machine that has the images and nothing installed, as root
	tests/components/ensure $(CLUSTER)
	packaging/images
	cargo run --locked --quiet -p aion-cluster-tests --example shell

vm: ## Runs the tests of what a kernel decides in a virtual machine with cgroup v2 alone
	tests/vm/run
	tests/vm/run --systemd -p aion-launcher --test unified

arm64: ## Runs tests built for arm64, under emulation
	tests/arm64/run

package: ## Makes signed packages of the programs in target/package
	packaging/package

images: ## Makes signed images of a cluster in target/images
	packaging/images

bench: ## Measures, prints a table and writes bench.json
	cargo build --release --locked -p aion-daemon -p aion-launcher -p aion-worker -p aion-cli -p aion-gateway -p aion-operator -p compiler-ahead
	cargo build --release --locked $(COMPILER)
	tests/components/ensure pandas litellm undici pytest typescript etcd kubectl kube-apiserver
	cargo run --release --locked -p aion-bench

crds: ## Writes the resource definitions to crds/
	cargo run --package aion-api --example generate_crds

lint: ## Checks formatting, lints, the rules of the house and licences
	cargo fmt --all --check
	cargo fmt $(COMPILER) --check
	cargo fmt $(FUZZ) --check
	cargo fmt $(ANALYST) --check
	cargo clippy --locked $(WORKSPACE),aion-cluster-tests/cluster --all-targets -- -D warnings
	cargo clippy --locked $(COMPILER) --all-targets -- -D warnings
	cargo clippy --locked $(ANALYST) --all-targets -- -D warnings
	@if command -v $${CXX:-c++} >/dev/null; then cargo clippy --locked $(FUZZ) -- -D warnings; \
	else echo "a C++ compiler is not installed: tests/fuzz was not checked by clippy"; fi
	cargo test --quiet $(WORKSPACE) --test tidy
	@if command -v shellcheck >/dev/null; then shellcheck --severity=warning $(SCRIPTS); \
	else echo "shellcheck is not installed: the scripts were not checked"; fi
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --all-features check && cargo deny $(COMPILER) --all-features check --config $(CURDIR)/deny.toml && \
	cargo deny $(ANALYST) --all-features check --config $(CURDIR)/deny.toml && cargo deny $(FUZZ) check --config $(CURDIR)/deny.toml; \
	else echo "cargo-deny is not installed: licences and advisories were not checked (cargo install cargo-deny)"; fi

components: ## Builds the real components that the tests run against
	tests/components/ensure

clean: ## Removes what cargo built; the components stay in their cache
	cargo clean
	rm -f bench.json
