# Everything a contributor types. "make help" lists it.

SHELL := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
LDFLAGS := -X main.version=$(VERSION)
# A static program: glibc linked in, names resolved and time zones known without files of the system.
STATIC := -tags netgo,osusergo,timetzdata -trimpath -ldflags '$(LDFLAGS) -s -w -linkmode external -extldflags "-static"'
FUZZTIME ?= 10s
export CGO_ENABLED = 1

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build and run the server with a demo county on http://127.0.0.1:8080
	@exec bin/dispatchd serve --demo --data-dir data/demo

.PHONY: build
build: ## Build bin/dispatchd
	@mkdir -p bin
	go build -ldflags '$(LDFLAGS)' -o bin/dispatchd ./cmd/dispatchd

.PHONY: static
static: ## Build bin/dispatchd-static, the program of the container image
	@mkdir -p bin
	go build $(STATIC) -o bin/dispatchd-static ./cmd/dispatchd

.PHONY: setup
setup: ## Install what the tests need and is missing (Debian packages)
	@scripts/setup

.PHONY: test
test: setup ## Run every test under the race detector
	go test -race -timeout 20m ./...

.PHONY: check
check: ## Formatting, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...

.PHONY: proto
proto: ## Make the code of ws/wire/pb from its .proto anew (needs protoc 3.21)
	@mkdir -p bin
	go build -modfile=tools/go.mod -o bin/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go
	protoc --plugin=protoc-gen-go=bin/protoc-gen-go --go_out=. --go_opt=module=cuntong ws/wire/pb/cuntong.proto

.PHONY: vuln
vuln: ## Look for known vulnerabilities in what the program calls (GOVULNDB=file:///folder where vuln.go.dev is out of reach)
	@scripts/vuln

.PHONY: sbom
sbom: static ## Write the bill of materials of the static program, CycloneDX 1.6, to out/sbom.cdx.json
	@mkdir -p out
	bin/dispatchd-static version --sbom >out/sbom.cdx.json

.PHONY: fuzz
fuzz: ## Fuzz every decoder for FUZZTIME (10s, or so many executions: 3000x) each
	@scripts/fuzz $(FUZZTIME)

.PHONY: links
links: ## Trips over every kind of bad link, both codecs: table
	LINKS=long go test -count=1 -v -timeout 40m -run 'TestLinks|TestADay' ./ws/client/linktest

.PHONY: bench
bench: setup ## Measure against baselines in the same run; table, and out/bench.json
	@mkdir -p out
	go run ./bench -o out/bench.json

.PHONY: eval
eval: ## Compare ways of matching on a real road network; table, out/eval.json and .html
	go run ./eval -o out/eval.json

.PHONY: load
load: build ## Load a server of its own for 60 s with 1,000 drivers; report in out/load.html
	@scripts/load

.PHONY: examples
examples: setup ## Start the Sentinel and the Cluster example of deploy/ on loopback, with two servers each, and kill a master
	@scripts/examples

.PHONY: simulate
simulate: ## Simulate 400 mornings of the core, and a million trips of several servers under faults; out/simulate.json
	@mkdir -p out
	SEEDS=400 go test -run TestSimulation -v -timeout 60m ./dispatch
	TRIPS=1010000 OUT=$(CURDIR)/out/simulate.json go test -run 'TestFleet$$' -v -timeout 120m ./dispatch

.PHONY: chaos
chaos: setup ## Break real servers in every way there is a plan for, half an hour; table, and out/chaos.json
	go run ./chaos -o out/chaos.json

.PHONY: chaos-short
chaos-short: setup ## A slice of that, and all mutants, in a few minutes
	go run ./chaos -short -o out/chaos.json

.PHONY: chaos-ci
chaos-ci: setup ## What guards main of it: every topology, and a mutant; about four minutes
	go run ./chaos -plan cluster-short,handover-short,sentinel-short,server-kill-short,mutant-told-first -o out/chaos.json

.PHONY: mutants
mutants: setup ## Leave out one safeguard after the other and see that the fault suite notices
	go run ./chaos -only-mutants -o out/mutants.json

.PHONY: transcripts
transcripts: ## Write the core's transcripts anew, to be read as a diff
	go test ./dispatch -run TestTranscripts -rewrite
	git diff --stat dispatch/testdata
