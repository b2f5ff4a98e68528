# `make demo` shows the answer on a bundled capture; `make test` passes every test.
# Both install what is missing of the system packages first.

CARGO ?= cargo
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
TLSUNSET := target/release/tlsunset
# Who makes a package, as Debian's tools are told it.
MAINTAINER := $(if $(DEBEMAIL),$(or $(DEBFULLNAME),The tlsunset developers) <$(DEBEMAIL)>)
MAINTAINER := $(or $(MAINTAINER),$(shell sed -n 's/^maintainer = "\(.*\)"$$/\1/p' Cargo.toml))

.PHONY: all demo test unit lint docs fuzz bench bench-peers setup setup-tests corpus packages check-packages check-service

all: $(TLSUNSET)

demo: setup
	$(CARGO) build --release --locked
	@echo
	@echo '$$ tlsunset analyze samples/demo/input.pcap'
	@$(TLSUNSET) analyze samples/demo/input.pcap

test: setup-tests lint docs unit

unit:
	$(CARGO) test --workspace --locked

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --workspace --all-targets --locked --no-default-features -- -D warnings

docs:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked --document-private-items

# Short runs of every fuzz target on stable Rust; see fuzz/README.md.
fuzz:
	fuzz/run

# Times of the parts, and instructions of whole runs beside what is recorded.
bench: $(TLSUNSET)
	$(CARGO) bench --locked
	benches/instructions

# tlsunset beside its peers, on the captures in the folder BENCH_INPUTS.
bench-peers: $(TLSUNSET)
	benches/peers

# A Debian package in target/debian/, by cargo-deb.
packages: $(TLSUNSET)
	@$(CARGO) deb --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deb
	mkdir -p target/package/man
	$(TLSUNSET) generate man --out target/package/man
	for shell in bash zsh fish; do $(TLSUNSET) generate complete-$$shell --out target/package; done
	packaging/changelog '$(MAINTAINER)' >target/package/changelog
	$(CARGO) deb --no-build --locked --strip --maintainer '$(MAINTAINER)'

# Installs the package into a folder and looks at what is there.
check-packages: packages
	packaging/check

# Boots a Debian system in namespaces of its own and looks how the package's service lives there.
check-service: packages
	packaging/boot

# libpcap compiles and applies --filter expressions.
setup:
	@command -v $(CARGO) >/dev/null || { \
	  echo 'Rust is needed: https://rustup.rs'; exit 1; }
	@if command -v apt-get >/dev/null && { ! command -v cc >/dev/null || ! [ -e /usr/include/pcap.h ]; }; then \
	  echo 'installing libpcap and a C linker'; \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    build-essential libpcap-dev; \
	fi

# tshark makes the exports that the tests of `review` read; without it they skip.
setup-tests: setup
	@if command -v apt-get >/dev/null && ! command -v tshark >/dev/null; then \
	  echo 'installing tshark'; \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    tshark; \
	fi

$(TLSUNSET): setup
	$(CARGO) build --release --locked
