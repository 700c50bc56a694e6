#!/usr/bin/env bash
# Makes the packages for Linux from the binaries in dist: a .deb and a tarball
# with an install script for each, with man pages and completions, an SBOM of
# each, and SHA256SUMS of all that lies there.
#
#   packaging/packages.sh                    for every Linux binary in dist
#   packaging/packages.sh linux_arm64 ...    for these
#
# VERSION is that of the release, 1.2.3 or v1.2.3. The binaries are those of
# packaging/test.sh build; DIST is another place of theirs. It needs Go and, for
# dpkg-deb, a Debian machine.
set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SYSTEMS="linux_amd64 linux_arm64 linux_armv6" # armv6 runs on every Pi
NFPM=v2.45.1
CYCLONEDX=v1.9.0
version=${VERSION:-0.0.0}
version=${version#v}
dist=${DIST:-dist}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export GOFLAGS="-buildvcs=false -trimpath" CGO_ENABLED=0
# The same packages from the same source, whenever they are made.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

main() {
	local system
	if ! [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+([-+~][0-9A-Za-z.+~-]+)?$ ]]; then
		echo "VERSION must be a version such as 1.2.3; got $version" >&2
		exit 2
	fi
	# shellcheck disable=SC2046 # their names have no spaces
	[ $# -gt 0 ] || set -- $(built)
	if [ $# -eq 0 ]; then
		echo "there is no Linux binary in $dist: run packaging/test.sh build first" >&2
		exit 1
	fi
	tool nfpm "github.com/goreleaser/nfpm/v2/cmd/nfpm@$NFPM"
	tool cyclonedx-gomod "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$CYCLONEDX"
	texts
	for system; do
		if [ ! -f "$dist/tocsin_$system" ]; then
			echo "there is no $dist/tocsin_$system: run packaging/test.sh build first" >&2
			exit 1
		fi
		deb "$system"
		tarball "$system"
		"$GOBIN/cyclonedx-gomod" bin -json -noserial -version "$version" -output "$dist/tocsin_${version}_$system.cdx.json" \
			"$dist/tocsin_$system" 2>"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
	done
	(cd "$dist" && find . -maxdepth 1 -type f -name '*tocsin_*' -printf '%f\n' | sort | xargs sha256sum >SHA256SUMS)
	ls -l "$dist"
}

built() {
	local system
	for system in $SYSTEMS; do
		[ ! -f "$dist/tocsin_$system" ] || echo "$system"
	done
}

# tool installs a tool in its pinned version, once.
tool() {
	GOBIN=${GOBIN:-$(go env GOPATH)/bin}
	export GOBIN
	[ "$(go version -m "$GOBIN/$1" 2>/dev/null | awk '$1 == "mod" { print $3 }')" = "${2##*@}" ] || go install "$2"
}

# texts are what all systems have in common.
texts() {
	mkdir "$scratch/man"
	go build -o "$scratch/here" .
	go test -count=1 ./app/cli -run PageOfTheManual -man "$scratch/man" -man-version "$version" >"$scratch/log" ||
		{ cat "$scratch/log" >&2; exit 1; }
	gzip -9n "$scratch"/man/*
	local shell
	for shell in bash zsh fish; do "$scratch/here" completion "$shell" >"$scratch/$shell"; done
	gzip -9nc CHANGELOG.md >"$scratch/changelog.gz"
	debian_changelog | gzip -9n >"$scratch/changelog.Debian.gz"
	copyright >"$scratch/copyright"
	others >"$scratch/others"
	gzip -9nc "$scratch/others" >"$scratch/third-party.gz"
}

debian_changelog() {
	printf 'tocsin (%s-1) stable; urgency=medium\n\n  * What changed is in changelog.gz.\n\n -- %s  %s\n' "$version" \
		"$(sed -n 's/^maintainer: //p' packaging/deb/nfpm.yaml)" "$(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")"
}

copyright() {
	cat <<-'END'
		Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
		Upstream-Name: tocsin
		Source: https://github.com/9bikes/tocsin
		Comment: The licenses of the modules that the program is made of are in
		 third-party.gz.

		Files: *
	END
	sed -n 's/^Copyright (c) /Copyright: /p' LICENSE
	echo 'License: Expat'
	sed '1,/^Copyright/d' LICENSE | sed '1{/^$/d}; s/^$/./; s/^/ /'
}

# others is what the modules of the program want to have said.
others() {
	local path dir file
	go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' . | sort -u |
		while read -r path version dir; do
			for file in "$dir"/LICEN[CS]E* "$dir"/COPYING* "$dir"/NOTICE*; do
				[ -f "$file" ] || continue
				printf '======== %s %s, %s\n\n' "$path" "$version" "$(basename "$file")"
				cat "$file"
				echo
			done
		done
}

# deb makes a .deb. Debian's armhf is of v7; what is made for v6 runs there too.
deb() {
	local arch=${1#linux_}
	[[ $arch != armv* ]] || arch=arm${arch#armv}
	rm -rf "$scratch/stage"
	mkdir "$scratch/stage"
	cp -r "$scratch"/{man,bash,zsh,fish,changelog.gz,changelog.Debian.gz,copyright,third-party.gz} "$scratch/stage/"
	install -m 755 "$dist/tocsin_$1" "$scratch/stage/tocsin"
	sed 's|/usr/local/bin/|/usr/bin/|' packaging/tocsin.service >"$scratch/stage/tocsin.service"
	ARCH=$arch VERSION=$version STAGE=$scratch/stage "$GOBIN/nfpm" package --config packaging/deb/nfpm.yaml \
		--packager deb --target "$scratch/plain.deb" >"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
	# Packed by Debian's own xz it is a quarter smaller.
	dpkg-deb --raw-extract "$scratch/plain.deb" "$scratch/stage/deb"
	dpkg-deb -Zxz --root-owner-group --build "$scratch/stage/deb" "$dist/" >"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
}

# tarball is for other systems with systemd, and for those who look first.
tarball() {
	local name=tocsin_${version}_$1
	mkdir "$scratch/$name"
	cp -r "$scratch"/{man,bash,zsh,fish,third-party.gz} LICENSE README.md CHANGELOG.md packaging/tocsin.service \
		packaging/deb/config.yaml packaging/install.sh "$scratch/$name/"
	install -m 755 "$dist/tocsin_$1" "$scratch/$name/tocsin"
	tar -C "$scratch" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -c "$name" |
		gzip -9n >"$dist/$name.tar.gz"
}

main "$@"
