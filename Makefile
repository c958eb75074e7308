# Wardline. `make help` lists what there is.
SHELL := /bin/bash
GO ?= go
export CGO_ENABLED ?= 1

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: build
build: ## the binary, as ./wardline
	$(GO) build -trimpath -o wardline .

.PHONY: test
test: build ## everything that must hold, with the race detector
	$(GO) vet ./...
	$(GO) test -race -timeout 14m ./...

.PHONY: race
race: ## all Go tests under the race detector, uncached
	$(GO) test -race -count=1 ./...

.PHONY: lint
lint: ## vet and formatting
	$(GO) vet ./...
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "not formatted: $$out"; exit 1; fi
