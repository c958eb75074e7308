# Wardline. `make help` lists what there is.
SHELL := /bin/bash
GO ?= go
FUZZTIME ?= 30s
DATA ?= data
RUNS ?= 500
FIRST ?= 1
CUTS ?= 20
OUTAGE ?= 30m
KERNEL ?= $(HOME)/.cache/wardline/kernel
CORPUS ?= $(HOME)/.cache/wardline/fuzz
export CGO_ENABLED ?= 1
# deploy/bench is a module of its own, because of the peers that it measures;
# where they cannot be fetched it is left out, and that is said. -mod=mod lets it follow ours.
BENCH_MODULE = @cd deploy/bench && export GOFLAGS="$$($(GO) env GOFLAGS) -mod=mod" && { $(GO) mod download 2>/dev/null || { echo "deploy/bench is left out: its modules cannot be fetched"; exit 0; }; }

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# The screens need Node. Where it is not, the binary says what to run instead of showing them.
SCREENS = sync/screens
NODE_MODULES = $(SCREENS)/node_modules/.package-lock.json
$(NODE_MODULES): $(SCREENS)/package-lock.json
	cd $(SCREENS) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: screens
screens: ## the browser screens, into the binary's sources (needs Node)
	@if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null; then \
	  echo "no Node 20.19, 22.12 or newer: the screens are left out"; \
	elif ! $(MAKE) --no-print-directory -s $(NODE_MODULES); then echo "the packages of the screens cannot be fetched: they are left out"; \
	else cd $(SCREENS) && npm run --silent build; fi

# The browser tests take the program as it was built, Debian's Chromium and nothing from the network.
TEST_SCREENS = @if ! [ -f $(NODE_MODULES) ]; then echo "the screens were left out: they are not tested"; \
	else cd $(SCREENS) && npm run --silent check && npm run --silent test && \
	  if command -v chromium >/dev/null 2>&1; then npm run --silent e2e; else echo "chromium is not installed (make setup): the screens are not tested in a browser"; fi; fi

.PHONY: test-screens
test-screens: setup build ## the screens: types, unit tests, and a browser against a whole city
	$(TEST_SCREENS)

.PHONY: bench-screens
bench-screens: setup build ## figures of the screens in Chromium: 5,000 open incidents, 500 changes a second
	cd $(SCREENS) && node e2e/bench.mjs

.PHONY: bench-screens-long
bench-screens-long: setup build ## the same for ten minutes: memory must stay flat
	cd $(SCREENS) && LASTS=600 node e2e/bench.mjs

.PHONY: golden
golden: setup build ## take the kept pictures of the screens anew; look at them before you commit
	cd $(SCREENS) && GOLDEN=write npx --no-install vitest run --config vitest.e2e.config.ts e2e/golden.e2e.ts

.PHONY: dev
dev: $(NODE_MODULES) ## the screens with hot reload at :5173, against the running city at WARDLINE_URL (default the station of `make run`)
	cd $(SCREENS) && npm run dev

.PHONY: build
build: screens ## the binary, as ./wardline
	$(GO) build -trimpath -o wardline .

.PHONY: run
run: build ## a whole city to try, in DATA (default ./data); ctrl-C ends it
	./wardline city --data $(DATA)

.PHONY: setup
setup: ## install what the tests need (Debian)
	@./deploy/setup.sh

.PHONY: test
test: setup build ## everything that must hold, with the race detector
	$(GO) vet ./...
	$(GO) test -race -timeout 30m ./...
	$(BENCH_MODULE) && $(GO) vet ./... && $(GO) test -race ./figures ./mqttload ./reports
	$(TEST_SCREENS)

.PHONY: race
race: setup ## all Go tests under the race detector, uncached
	$(GO) test -race -count=1 -timeout 20m ./...

.PHONY: lint
lint: ## vet and formatting
	$(GO) vet ./...
	$(BENCH_MODULE) && $(GO) vet ./...
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "not formatted: $$out"; exit 1; fi

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (default 30s), or one: FUZZ=./sync/report/FuzzParse
	@set -e; for p in $(if $(FUZZ),$(dir $(FUZZ)),$$($(GO) list ./...)); do \
	  for f in $(if $(FUZZ),$(notdir $(FUZZ)),$$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true)); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p; done; done

.PHONY: fuzz-long
fuzz-long: ## every fuzz target for an hour (FUZZTIME=… FUZZ=… as above), what it learns kept in CORPUS (default ~/.cache/wardline/fuzz); a table at the end
	@./deploy/fuzz.sh $(CORPUS) $(if $(filter file default,$(origin FUZZTIME)),1h,$(FUZZTIME)) $(FUZZ)

.PHONY: vuln
vuln: ## known vulnerabilities in the Go code and the screens' packages (GOVULNDB names a copy of the database, VULN=-must fails where it cannot look)
	$(GO) run ./deploy/vuln $(VULN) . deploy/bench

.PHONY: bench
bench: build ## benchmarks of the parts, then figures beside the peers (BENCH="-short" …)
	$(GO) test -run '^$$' -bench . -benchmem ./sync/... ./edge/... ./core/...
	@if [ -f $(NODE_MODULES) ] && command -v chromium >/dev/null 2>&1; then cd $(SCREENS) && { node e2e/bench.mjs || echo "a figure of the screens was missed"; }; else echo "no Node or no chromium: the screens are not measured"; fi
	cd deploy/bench && $(GO) build -mod=mod -o bench . && ./bench -wardline ../../wardline $(BENCH)

.PHONY: bench-long
bench-long: build ## hours: a backlog of 1,000,000 and a core of 10,000,000 entries, or what the disk holds (BENCH="-only grow" …)
	cd deploy/bench && $(GO) build -mod=mod -o bench . && ./bench -wardline ../../wardline -long $(BENCH)

.PHONY: drill
drill: setup ## the long forms: hundreds of kills, simulated seeds, RUNS whole cities (default 500) from seed FIRST on
	WARDLINE_LONG=1 $(GO) test -count=1 -timeout 60m ./edge/ledger ./core/... ./sync/... ./deploy/city ./deploy/drill
	WARDLINE_LONG=1 $(GO) test -count=1 -timeout 0 -v ./deploy/drill/whole -runs=$(RUNS) -first=$(FIRST)

.PHONY: drill-outage
drill-outage: setup ## the core in a black hole for OUTAGE (default 30m) under load and kills, then everything once in the city
	$(GO) test -count=1 -timeout 0 -v ./deploy/drill/whole -run TestWhole -only=outage -seed=$(FIRST) -faults=$(OUTAGE) -within=20m

.PHONY: drill-planted
drill-planted: setup ## plant each bug in turn and show which check of the drill finds it (BUG=… for one)
	$(GO) run ./deploy/drill/planted -bug=$(BUG)

.PHONY: drill-power
drill-power: setup ## cut the power of a station in a virtual machine CUTS times (default 20); gets QEMU and a kernel (100 MB)
	./deploy/drill/powercut/kernel.sh $(KERNEL)
	WARDLINE_KERNEL=$(abspath $(KERNEL)) $(GO) test ./deploy/drill/powercut -run TestStation -count=1 -timeout 0 -v -cuts=$(CUTS) -seed=$(FIRST)

.PHONY: generate
generate: setup ## make generated code anew (needs protoc)
	./sync/wire/generate.sh
