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
	$(private) cargo nextest run --workspace --locked
	cargo test --workspace --locked --doc

.PHONY: demo
demo: ## A virtual machine boots from the network, from power-on to user space
	scripts/install-packages demo
	cargo build --release --locked --package reveille
	scripts/demo

.PHONY: bench
bench: ## The benches, with the peers beside
	scripts/install-packages bench
	cargo bench --workspace --locked

.PHONY: peers
peers: ## Reveille beside dnsmasq, nginx and Kea in turn: medians and ratios (15 minutes)
	scripts/install-packages bench
	cargo build --release --locked --package reveille --package reveille-bench
	for contest in tftp http http-loopback dhcp; do \
	    $(private) "$${CARGO_TARGET_DIR:-target}/release/peers" $$contest; \
	done

.PHONY: help
help: ## This list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)
