# `make test` proves everything, `make demo` shows it, `make bench` measures it beside its peers.
# Each installs what it needs first (Debian 12; root or sudo).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

# The laboratory needs network namespaces: a user namespace gives them to those who are not root.
ifeq ($(shell id -u),0)
private :=
else
private := unshare --user --map-root-user --mount --
endif

.PHONY: build
build: ## The daemon, target/release/reveille
	cargo build --release --locked --package reveille

.PHONY: test
test: ## Install what is missing, check the style, run every test
	scripts/install-packages test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo build --workspace --locked
	cargo build --profile counted --locked --package reveille-bench --bin counted
	$(private) cargo nextest run --workspace --locked
	cargo test --workspace --locked --doc

.PHONY: demo
demo: ## A virtual machine boots from power-on to user space, then ten thousand simulated ones
	scripts/install-packages demo
	cargo build --release --locked --package reveille --package reveille-loadgen
	scripts/demo

.PHONY: bench
bench: ## Time the codecs and the engines, and count all their instructions (10 minutes)
	scripts/install-packages bench
	REVEILLE_COUNT_CROWDS=1 cargo test --locked --package reveille-bench --test counts
	cargo bench --locked --package reveille-bench

.PHONY: peers
peers: ## Reveille beside its peers and the kernel's ceilings, into bench/runs (an hour)
	scripts/install-packages bench
	cargo build --release --locked --package reveille --package reveille-ceilings \
	    --package reveille-peers
	$(private) "$${CARGO_TARGET_DIR:-target}/release/peers" --save bench/runs \
	    tftp http loopback dhcp shards

.PHONY: help
help: ## This list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)
