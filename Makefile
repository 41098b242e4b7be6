FUZZTIME ?= 10s

# ./... leaves out the folders that start with a dot.
PACKAGES = ./... ./.ci ./.ci/arrows ./.ci/prose
# The programs that measure are in a module of their own.
LAB = bench/lab

TOOL = go tool -modfile=.ci/tools/go.mod

.PHONY: help build run test e2e edge-check page torture soak fuzz lint fmt cover bench bench-full bench-limiters bench-stores bench-replicas profile strategies differ bench-go bench-compare

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

build: ## build the static binary ./equalizer
	CGO_ENABLED=0 go build -trimpath -o equalizer ./cmd/equalizer

run: ## run the demo: the proxy in front of three sample backends
	go run ./cmd/equalizer demo

test: ## run the tests with the race detector, in some 10 minutes; installs what they need first
	@echo "make test: unit, property and fast end-to-end tests, with the race detector: some 10 minutes on two cores, with the compiling"
	.ci/equip go test -race -timeout 20m $(PACKAGES)
	cd $(LAB) && ../../.ci/equip go test -race -timeout 20m ./...

e2e: ## run the slow tests, of the real binary: some 20 minutes
	@echo "make e2e: what make test leaves out, files with the build tag e2e: some 20 minutes on two cores"
	.ci/peers .ci/equip .ci/e2e
	cd $(LAB) && ../../.ci/peers ../../.ci/clients ../../.ci/equip ../../.ci/e2e

edge-check: ## have Chromium, sslscan, curl and nghttp look at what is served; installs them first, some 300 MB
	.ci/equip .ci/edge

page: ## have Chromium take pictures of the demo's live page; ARGS="--docs" renews docs/page.png
	cd $(LAB) && ../../.ci/clients go run ./livepage $(ARGS)

# A round mostly waits for its random moments, so more scenarios than processors run side by side.
torture: ## kill -9 under load and restart, 200 times in each way, for some 12 minutes; ARGS="-rounds 20 -seed 7"
	.ci/equip go test -race -count=1 -timeout 2h -parallel 4 -v -run '^TestTorture$$' ./cmd/equalizer -args -rounds 200 -report bench/out/torture $(ARGS)

soak: ## half an hour of mixed load; memory, descriptors and goroutines must end where they began; ARGS="--time 60s"
	cd $(LAB) && go run ./soak $(ARGS)

fuzz: ## run every fuzz target for FUZZTIME, 10s
	.ci/equip .ci/fuzz $(FUZZTIME)
	cd $(LAB) && ../../.ci/fuzz $(FUZZTIME)

lint: ## check the format, go vet, staticcheck, the import arrows, the prose and builds for other systems
	.ci/lint $(PACKAGES)
	cd $(LAB) && go vet -tags e2e ./... && go tool -modfile=../../.ci/tools/go.mod staticcheck -tags e2e ./...

fmt: ## format with gofumpt
	$(TOOL) gofumpt -w .

cover: ## run every test and tell how much of the code they reach
	.ci/equip go test -timeout 10m -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -func=coverage.out | tail -n 1

bench: ## compare with nginx and HAProxy, installed first if missing; ARGS="--help" for more
	cd $(LAB) && ../../.ci/peers go run ./suite $(ARGS)

bench-full: ## the same under every load there is, for about half an hour; it says first how long
	cd $(LAB) && ../../.ci/peers go run ./suite --full $(ARGS)

bench-limiters: ## the limiter in memory beside others, against its bars; wants 4 GB and some minutes
	cd $(LAB) && go run ./limiters $(ARGS)

bench-stores: ## what surviving a restart costs: the stores beside each other, for four minutes
	cd $(LAB) && ../../.ci/peers ../../.ci/equip go run ./stores $(ARGS)

bench-replicas: ## what sharing buckets costs PostgreSQL, beside a script of Redis, for four minutes
	cd $(LAB) && ../../.ci/peers ../../.ci/equip go run ./replicas $(ARGS)

profile: ## what the CPU time of a request is spent on, beside a byte pump; wants perf, and root
	cd $(LAB) && ../../.ci/peers go run ./profile $(ARGS)

strategies: ## what each strategy does where one of five backends is slow, beside HAProxy's leastconn
	cd $(LAB) && ../../.ci/peers go run ./strategies $(ARGS)

differ: ## play malformed messages through this proxy, nginx and HAProxy, and write down how they differ
	cd $(LAB) && ../../.ci/peers go run ./differ

bench-go: ## run the Go benchmarks of the hot paths; BENCH=Take chooses, BENCH=Large wants gigabytes
	.ci/equip .ci/gobench

bench-compare: ## compare the Go benchmarks with those of another revision: BASE=main
	.ci/gobench "$(BASE)"
