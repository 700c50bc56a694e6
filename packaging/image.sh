#!/usr/bin/env bash
# Makes the image tocsin:VERSION from a binary in dist, by docker, podman or
# buildah, whichever there is; ENGINE names another command line, such as
# "buildah --storage-driver vfs".
#
#   packaging/image.sh                  for this machine
#   packaging/image.sh linux_arm64      for another
#
# The binaries are those of packaging/test.sh build; DIST is another place of
# theirs. The CAs are Debian's, of the package ca-certificates.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dist=${DIST:-dist}
version=${VERSION:-latest}
machine=${1:-linux_$(go env GOARCH)}
[ "$machine" != linux_arm ] || machine=linux_armv6
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

main() {
	local engine platform=${machine/_//}
	if [ ! -f "$dist/tocsin_$machine" ]; then
		echo "there is no $dist/tocsin_$machine: run packaging/test.sh build first" >&2
		exit 1
	fi
	read -ra engine <<<"${ENGINE:-$(engine)}"
	umask 022
	root
	cp packaging/docker/Dockerfile "$scratch/"
	"${engine[@]}" build --platform "${platform/armv6/arm/v6}" --tag "tocsin:${version#v}" \
		"$scratch"
}

# root is what the image holds.
root() {
	local root=$scratch/root
	mkdir -p "$scratch/empty" "$root"/{usr/bin,etc/tocsin,etc/ssl/certs}
	mkdir -m 1777 "$root/tmp"
	install -m 755 "$dist/tocsin_$machine" "$root/usr/bin/tocsin"
	cp packaging/docker/config.yaml "$root/etc/tocsin/"
	echo tocsin:x:8627:8627::/data: >"$root/etc/passwd"
	echo tocsin:x:8627: >"$root/etc/group"
	cat /usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
}

engine() {
	local name
	for name in docker podman buildah; do
		if command -v "$name" >/dev/null; then
			echo "$name"
			return
		fi
	done
	echo "there is no docker, podman or buildah: apt-get install buildah" >&2
	return 1
}

main "$@"
