# The two commands of the README, and their parts. `make help` lists them.

CARGO ?= cargo
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sop-tools
DENY_VERSION := 0.20.2
DENY := $(TOOLS)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
PLUGINS := guest-examples/target/wasm32-unknown-unknown/release
# One feature set and one profile for everything that links wasmtime, so that it is compiled once.
WORKSPACE := --workspace --all-targets

.PHONY: help setup servers rust-plugins plugins build demo demo-swarm simulate figures component-tests wit-check test format clippy docs deny \
	unit kits contracts components clean

help: ## List these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: ## Install the wasm target of the toolchain, if it is missing
	@.ci/setup

servers: ## Install redis-server and pip, if they are missing
	@.ci/servers

rust-plugins: setup
	@echo "==> building the example plugins in Rust"
	cd guest-examples && $(CARGO) build --release --locked

plugins: build servers ## Plugins in Rust, Python, JavaScript and C work on one store; the result is proved, the cost measured
	@echo "==> building the example plugins in Python, JavaScript and C"
	.ci/languages
	python3 guest-examples/languages.py $(LANGUAGES)
	.ci/projects

build: setup rust-plugins ## Build the engine component, the library and the binary `sop`
	@echo "==> building sop (the first build compiles wasmtime: several minutes on 2 cores)"
	$(CARGO) build --workspace --locked

demo: build ## A swarm of sandboxed agents indexes this project's own files, survives kill -9, and proves the result
	target/debug/sop demo --plugin $(PLUGINS)/indexer.wasm $(DEMO)

demo-swarm: build servers ## The same over several host processes, Redis and S3; starts the servers itself
	target/debug/swarm --plugin $(PLUGINS)/indexer.wasm $(DEMO)

simulate: build ## The commit protocol under seeded faults [SEED=n] [SECONDS_MAX=n] [WORKLOAD=name] [SABOTAGE=name]
	target/debug/simulate --seconds-max $(or $(SECONDS_MAX),60) $(if $(SEED),--seed $(SEED)) \
		$(if $(WORKLOAD),--workload $(WORKLOAD)) $(if $(SABOTAGE),--sabotage $(SABOTAGE)) $(SIMULATE)

figures: setup servers ## Measure what the README shows of the registry's link, and draw it
	$(CARGO) test --workspace --locked --test it -- --ignored --exact bounds::figure::registry_bytes --nocapture

component-tests: setup ## The engine under the plain wasmtime CLI; installs wasmtime and wac the first time (10 minutes on 2 cores)
	@.ci/component-tests

wit-check: ## The contracts against those of the last release, and as packages; installs wasm-tools and wkg the first time (20 minutes)
	@echo "==> contracts"
	@.ci/wit-check

test: setup format contracts rust-plugins clippy docs kits unit components deny ## Everything that decides whether a change lands
	@echo "==> all checks passed"

format:
	@echo "==> format"
	$(CARGO) fmt --all --check
	cd guest-examples && $(CARGO) fmt --all --check

clippy: setup
	@echo "==> clippy"
	$(CARGO) clippy $(WORKSPACE) --locked -- -D warnings
	$(CARGO) clippy -p sop-engine --target wasm32-unknown-unknown --locked -- -D warnings
	cd guest-examples && $(CARGO) clippy --all-targets --locked -- -D warnings
	cd guest-examples && $(CARGO) clippy --all-targets --target $$(rustc -vV | sed -n 's/^host: //p') --locked -- -D warnings

docs: setup
	@echo "==> docs"
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

unit: setup servers rust-plugins
	@echo "==> tests"
	$(CARGO) test --workspace --locked
	cd guest-examples && $(CARGO) test --workspace --target $$(rustc -vV | sed -n 's/^host: //p') --locked

# The kits in Python, JavaScript and C, on stand-ins for the engine: seconds, and nothing to install but the languages.
kits:
	@echo "==> the kits in Python, JavaScript and C"
	@.ci/interpreters
	cd guest-examples/python && PYTHONDONTWRITEBYTECODE=1 python3 -m unittest discover -t . -s tests
	cd guest-examples/javascript && node --import ./stand-in/register.js --test-reporter dot --test tests/
	$(MAKE) --no-print-directory -s -C guest-examples/c test
	.ci/languages c --cached

contracts:
	@echo "==> contracts"
	@.ci/wit-check --cached

components: setup rust-plugins
	@.ci/component-tests --cached

deny: $(DENY)
	@echo "==> licences, bans, sources"
	$(DENY) --manifest-path Cargo.toml --config .config/deny.toml check bans licenses sources
	$(DENY) --manifest-path guest-examples/Cargo.toml --config .config/deny.toml check bans licenses sources

$(DENY):
	@echo "==> installing cargo-deny $(DENY_VERSION) into $(TOOLS)"
	$(CARGO) install cargo-deny --version $(DENY_VERSION) --locked --root $(TOOLS)/cargo-deny-$(DENY_VERSION)

clean: ## Remove everything that was built
	$(CARGO) clean
	cd guest-examples && $(CARGO) clean
