#!/usr/bin/env bash
# Makes the bundles that Claude Desktop installs with a click, and server.json
# for the MCP registry, from the binaries in dist. It needs node and npm.
#
#   packaging/mcpb.sh                    for every binary in dist that has clients
#   packaging/mcpb.sh linux_arm64 ...    for these
#
# VERSION is that of the release, 1.2.3 or v1.2.3. The binaries are those of
# packaging/test.sh build; the bundles are written beside them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SYSTEMS="linux_amd64 linux_arm64 darwin_arm64 windows_amd64"
version=${VERSION:-0.0.0}
version=${version#v}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

main() {
	local system bundles=()
	if ! [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$ ]]; then
		echo "VERSION must be a version such as 1.2.3; got $version" >&2
		exit 2
	fi
	# shellcheck disable=SC2046 # their names have no spaces
	[ $# -gt 0 ] || set -- $(built)
	if [ $# -eq 0 ]; then
		echo "there is no binary in dist: run packaging/test.sh build first" >&2
		exit 1
	fi
	tools
	for system; do
		bundle "$system"
		bundles+=("dist/tocsin_$system.mcpb")
	done
	node packaging/mcpb/fill.mjs server packaging/server.json dist/server.json "$version" "${bundles[@]}"
	ls -l "${bundles[@]}" dist/server.json
}

# built lists the systems of the binaries that are there.
built() {
	local system
	for system in $SYSTEMS; do
		[ ! -f "$(binary "$system")" ] || echo "$system"
	done
}

binary() {
	case $1 in
	windows_*) echo "dist/tocsin_$1.exe" ;;
	*) echo "dist/tocsin_$1" ;;
	esac
}

# tools installs the packer that package-lock.json names into a cache of the
# user, once.
tools() {
	local home=${TESTS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/tocsin-test}/mcpb
	mcpb=$home/node_modules/.bin/mcpb
	if ! cmp -s packaging/mcpb/package-lock.json "$home/package-lock.json" || [ ! -x "$mcpb" ]; then
		mkdir -p "$home"
		cp packaging/mcpb/package.json packaging/mcpb/package-lock.json "$home/"
		(cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	fi
}

# bundle packs the binary of one system.
bundle() {
	local system=$1 from dir=$scratch/$1
	from=$(binary "$system")
	if [ ! -f "$from" ]; then
		echo "there is no $from: run packaging/test.sh build first" >&2
		exit 1
	fi
	mkdir -p "$dir/server"
	install -m 755 "$from" "$dir/server/$(case $system in windows_*) echo tocsin.exe ;; *) echo tocsin ;; esac)"
	install -m 644 LICENSE "$dir/LICENSE"
	node packaging/mcpb/fill.mjs manifest packaging/mcpb/manifest.json "$dir/manifest.json" "$version" "${system%%_*}"
	"$mcpb" validate "$dir/manifest.json"
	"$mcpb" pack "$dir" "dist/tocsin_$system.mcpb" >"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
}

main "$@"
