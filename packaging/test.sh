#!/usr/bin/env bash
# Checks and tests everything. It needs git, CA certificates, Go and, to install
# what the tests need, a Debian machine with root or sudo; what is there already
# is not installed.
#
#   packaging/test.sh           all checks, tests and builds
#   packaging/test.sh --full    the long forms of the tests and fuzzing too
#   packaging/test.sh unit      the tests that start no server and no binary, in a minute
#   packaging/test.sh check     format, vet and linters only
#   packaging/test.sh build     the builds for all systems only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LINTER=v2.15.0
GOVULNCHECK=v1.9.0
KUSTOMIZE=v5.7.1
VALIDATE=v0.0.4
TIMEOUT=12m # of a package's tests
TAGS=conformance # what the protocol's own suite calls is in tests only
FUZZ=60s

scratch=$(mktemp -d)
out=$scratch # for the builds
step=start
tested=

main() {
	local what=all
	case "${1:-}" in
	"" ) ;;
	--full)
		export TESTS_FULL=1
		TIMEOUT=30m
		;;
	unit | check | build) what=$1 ;;
	*)
		sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
		exit 2
		;;
	esac
	trap finish EXIT
	# One set of flags for all, so that what was compiled once is shared; only
	# the race detector needs C.
	export GOFLAGS="-buildvcs=false -trimpath" CGO_ENABLED=0
	GOBIN=${GOBIN:-$(go env GOPATH)/bin}
	export GOBIN
	case $what in
	unit) unit ;;
	check) check ;;
	build)
		out=dist
		builds
		;;
	all)
		run "install what the tests need" install
		run "a node that is new enough" newer_node
		check
		run "test" tests
		[ -z "${TESTS_FULL:-}" ] || run "fuzz" fuzz
		builds
		run "packages" packages
		run "run on ARM" arm
		run "the image" as_root env PATH="$PATH" DIST="$out" packaging/image_try.sh
		run "the manifests" manifests
		run "a fresh machine" fresh
		;;
	esac
}

# run does one step and ends everything if it fails.
run() {
	step=$1
	shift
	echo "== $step"
	SECONDS=0
	"$@"
	echo "   $step: ${SECONDS}s"
}

# finish counts what was tested, also when a step has failed.
finish() {
	local status=$? passed=0 failed=0 skipped=0
	if [ -s "$scratch/counts" ]; then
		read -r passed failed skipped <"$scratch/counts"
	fi
	rm -rf "$scratch"
	if [ "$status" -ne 0 ]; then
		echo "failed: $step" >&2
		[ "$failed" -gt 0 ] || failed=1
	fi
	if [ -n "$tested" ] || [ "$status" -ne 0 ]; then
		echo "$passed passed, $failed failed, $skipped skipped"
	fi
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# install gets the servers and tools that the tests start, from Debian.
install() {
	local wanted=()
	command -v git >/dev/null || wanted+=(git)
	command -v gcc >/dev/null || wanted+=(gcc libc6-dev) # for the race detector
	command -v influxd >/dev/null || wanted+=(influxdb)
	[ -x /usr/sbin/mariadbd ] || wanted+=(mariadb-server)
	command -v node >/dev/null || wanted+=(nodejs)
	command -v npm >/dev/null || wanted+=(npm)
	command -v lintian >/dev/null || wanted+=(lintian)
	command -v qemu-arm-static >/dev/null || wanted+=(qemu-user-static)
	command -v curl >/dev/null || wanted+=(curl)
	command -v pgrep >/dev/null || wanted+=(procps)
	command -v openssl >/dev/null || wanted+=(openssl)
	command -v buildah >/dev/null || wanted+=(buildah crun)
	[ ${#wanted[@]} -gt 0 ] || return 0
	echo "   ${wanted[*]}"
	if ! command -v apt-get >/dev/null; then
		echo "this is no Debian: install ${wanted[*]} yourself" >&2
		return 1
	fi
	quietly as_root apt-get update
	quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${wanted[@]}"
}

# newer_node brings the node that the tests need, if the machine's is older or
# Debian's, into a cache of the user.
newer_node() {
	local home=${TESTS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/tocsin-test}/node lock=packaging/node/package-lock.json bin
	if node -e 'process.exit(parseInt(process.versions.node) < 22 ? 1 : 0)'; then
		return
	fi
	if ! cmp -s "$lock" "$home/installed.json"; then
		mkdir -p "$home"
		cp packaging/node/package.json "$lock" "$home/"
		quietly npm ci --prefix "$home" --ignore-scripts --no-audit --no-fund --loglevel=error
		cp "$lock" "$home/installed.json"
	fi
	bin=$(echo "$home"/node_modules/node-linux-*/bin)
	if [ ! -x "$bin/node" ]; then
		echo "node is $(node --version), and npm has no newer one for this machine: put node 22 into the PATH" >&2
		return 1
	fi
	export PATH=$bin:$PATH
	echo "   $(node --version)"
}

# quietly shows what a command printed only if it fails.
quietly() {
	if ! "$@" >"$scratch/log" 2>&1; then
		cat "$scratch/log" >&2
		return 1
	fi
}

# unit leaves out the tests of the built binary; with -short the others start
# no server, and -v says which those are.
unit() {
	local packages
	mapfile -t packages < <(go list ./... | grep -v /packaging/e2e)
	go test -short "${packages[@]}"
}

check() {
	run "get the linters" linters
	run "format" formatted
	run "vet" go vet -tags "$TAGS" ./...
	run "lint" "$GOBIN/golangci-lint" run --allow-serial-runners --build-tags "$TAGS" ./...
	run "known vulnerabilities" vulnerabilities
}

linters() {
	have golangci-lint "$LINTER" || quietly go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$LINTER"
	have govulncheck "$GOVULNCHECK" || quietly go install "golang.org/x/vuln/cmd/govulncheck@$GOVULNCHECK"
}

# have says whether the tool is there, made from that version by this Go.
have() {
	[ -x "$GOBIN/$1" ] && go version -m "$GOBIN/$1" | awk -v version="$2" -v go="$(go env GOVERSION)" '
		NR == 1 { made = $2 == go }
		$1 == "mod" { same = $3 == version }
		END { exit !(made && same) }'
}

formatted() {
	if ! "$GOBIN/golangci-lint" fmt --diff ./... >"$scratch/diff"; then
		cat "$scratch/diff"
		echo "not formatted; this mends it: $GOBIN/golangci-lint fmt" >&2
		return 1
	fi
}

# vulnerabilities asks the Go project's list, which is not reached everywhere;
# that alone is no failure.
vulnerabilities() {
	local status=0
	"$GOBIN/govulncheck" ./... >"$scratch/vulnerabilities" 2>&1 || status=$?
	case $status in
	0) ;;
	1)
		if ! grep -q "fetching vulnerabilities" "$scratch/vulnerabilities"; then
			cat "$scratch/vulnerabilities"
			return 1
		fi
		echo "   not checked: the list of known vulnerabilities is not reached"
		;;
	*)
		cat "$scratch/vulnerabilities"
		return 1
		;;
	esac
}

tests() {
	tested=yes
	CGO_ENABLED=1 go test -race -count=1 -tags "$TAGS" -timeout "$TIMEOUT" -json ./... |
		awk -v COUNTS="$scratch/counts" -f packaging/count.awk
}

# fuzz gives every fuzz test its time.
fuzz() {
	local package name
	while read -r package name; do
		echo "   $package $name"
		quietly go test -run '^$' -fuzz "^$name\$" -fuzztime "$FUZZ" "$package"
	done < <(fuzz_tests)
}

fuzz_tests() {
	local file
	grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
		sed -n "s|^func \(Fuzz[A-Za-z0-9_]*\)(.*|$(dirname "$file") \1|p" "$file"
	done
}

builds() {
	build linux amd64
	build linux arm64
	build linux arm 7
	build linux arm 6
	build darwin arm64
	build windows amd64
}

# packages makes those of this machine, and holds them to their limits.
packages() {
	local machine package
	machine=linux_$(go env GOARCH)
	[ "$machine" != linux_arm ] || machine=linux_armv6
	quietly env DIST="$out" packaging/packages.sh "$machine"
	package=$(echo "$out"/*.deb)
	quietly lintian --allow-root --fail-on error,warning "$package"
	at_most 44 "$out/tocsin_$machine" # 40 is what it should be
	at_most 13 "$package"
}

# at_most wants a file to be of no more than so many megabytes.
at_most() {
	local size
	size=$(stat -c %s "$2")
	if [ "$size" -gt $(($1 * 1000000)) ]; then
		echo "${2##*/} has $size bytes, and $1 MB are the most" >&2
		return 1
	fi
	echo "   ${2##*/}: $((size / 100000))e5 bytes of $1 MB"
}

arm() {
	packaging/arm.sh "$out/tocsin_linux_arm64" qemu-aarch64-static &
	packaging/arm.sh "$out/tocsin_linux_armv6" qemu-arm-static -cpu arm1176
	wait $!
}

# manifests are put together and held against the schemas of Kubernetes.
manifests() {
	have kustomize "$KUSTOMIZE" || quietly go install "sigs.k8s.io/kustomize/kustomize/v5@$KUSTOMIZE"
	have kubectl-validate "$VALIDATE" || quietly go install "sigs.k8s.io/kubectl-validate@$VALIDATE"
	"$GOBIN/kustomize" build packaging/k8s/base >"$scratch/manifests.yaml"
	quietly "$GOBIN/kubectl-validate" "$scratch/manifests.yaml"
}

# fresh does what the README says on machines that it makes, which takes root. It
# writes nothing where this user does.
fresh() {
	if [ -n "${TESTS_INSIDE:-}" ]; then
		echo "   this is one: not again inside it"
	elif ! command -v apt-get >/dev/null; then
		echo "   not done: it takes a Debian to make one"
	else
		as_root env PATH="$PATH" GOCACHE="$(go env GOCACHE)" GOMODCACHE="$(go env GOMODCACHE)" GOPROXY="$(go env GOPROXY)" \
			DIST="$out" packaging/fresh.sh ${TESTS_FULL:+--full}
	fi
}

# build makes a binary as it is released.
build() {
	local os=$1 arch=$2 arm=${3:-} name
	name=tocsin_${os}_$arch${arm:+v$arm}
	[ "$os" != windows ] || name=$name.exe
	run "build $name" env GOOS="$os" GOARCH="$arch" GOARM="$arm" \
		go build -ldflags "-s -w -X main.version=${VERSION:-dev}" -o "$out/$name" .
}

main "$@"
