#!/usr/bin/env bash
# Does what the README tells a stranger, on a Debian that was made a minute ago:
# the demo, on a machine that has Go, git and CA certificates, and the packaged
# unit, under a systemd that has booted. It needs root, Go and a Debian machine.
#
#   packaging/fresh.sh           in a few minutes; what was compiled here is used,
#                                and the packages in DIST
#   packaging/fresh.sh --full    bookworm and trixie, nothing compiled before, and
#                                packaging/test.sh too, as root and with sudo
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=packaging/fresh_unit.sh
source packaging/fresh_unit.sh

SUITES="bookworm trixie"
STRANGER=stranger # the user of the fresh machine
full=
scratch=$(mktemp -d /var/tmp/tocsin-fresh-XXXXXX)
cache=${TESTS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/tocsin-test}/fresh
nspawn= # its pid, while a machine runs
step="start up"
unit= # the pid of what is done to the unit

main() {
	local suite
	case "${1:-}" in
	"") SUITES=bookworm ;;
	--full) full=yes ;;
	*)
		sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
		exit 2
		;;
	esac
	trap finish EXIT
	if [ "$(id -u)" -ne 0 ]; then
		echo "packaging/fresh.sh makes whole machines: run it as root" >&2
		exit 1
	fi
	tools
	packages
	for suite in $SUITES; do
		plain_root "$suite"
		machine_root "$suite"
		(unit "$suite") &
		unit=$!
		demo "$suite"
		step="the unit on $suite"
		wait "$unit"
		[ -z "$full" ] || walks "$suite"
	done
}

finish() {
	local status=$?
	[ -z "$unit" ] || { kill "$unit" && wait "$unit"; } 2>/dev/null || true
	if [ "$status" -ne 0 ]; then
		echo "failed: $step" >&2
	fi
	rm -rf --one-file-system "$scratch"
}

say() { printf '   %4ds %s\n' "$SECONDS" "$1"; }

tools() {
	local wanted=()
	command -v debootstrap >/dev/null || wanted+=(debootstrap)
	command -v systemd-nspawn >/dev/null || wanted+=(systemd-container)
	command -v pgrep >/dev/null || wanted+=(procps)
	[ ${#wanted[@]} -gt 0 ] || return 0
	quietly apt-get update
	quietly env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${wanted[@]}"
}

# packages brings the .deb and the tarball of this machine.
packages() {
	local machine
	machine=linux_$(go env GOARCH)
	[ "$machine" != linux_arm ] || machine=linux_armv6
	mkdir "$scratch/dist"
	if [ -n "${DIST:-}" ]; then
		cp "$DIST"/*.deb "$DIST"/*.tar.gz "$scratch/dist/"
		return
	fi
	step="make the packages"
	quietly env CGO_ENABLED=0 GOFLAGS="-buildvcs=false -trimpath" go build -ldflags "-s -w" -o "$scratch/dist/tocsin_$machine" .
	quietly env DIST="$scratch/dist" packaging/packages.sh "$machine"
	say "made the packages"
}

# quietly shows what a command printed only if it fails.
quietly() {
	local log
	log=$(mktemp "$scratch/log-XXXXXX")
	if ! "$@" >"$log" 2>&1; then
		cat "$log" >&2
		return 1
	fi
}

# plain_root makes a Debian with CA certificates, git and sudo.
plain_root() {
	local suite=$1 root=$scratch/plain-$1
	unpack "$suite" "$root" && return
	step="debootstrap $suite"
	quietly apt-get update
	http_proxy=${http_proxy:-$(apt-config dump --format '%v' Acquire::http::Proxy)}
	export http_proxy
	quietly debootstrap --variant=minbase --include=ca-certificates,git,sudo "$suite" "$root" "$(mirror)"
	settle_in "$root"
	chroot "$root" useradd --create-home --shell /bin/bash --groups sudo $STRANGER
	echo "$STRANGER ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$STRANGER"
	pack "$suite" "$root"
	say "made a fresh $suite"
}

# machine_root makes one of it that can boot, with an InfluxDB.
machine_root() {
	local suite=$1 root=$scratch/machine-$1
	unpack "machine-$suite" "$root" && return
	step="install systemd and InfluxDB in $suite"
	cp -a "$scratch/plain-$suite" "$root"
	quietly in_root "$root" root apt-get install -y --no-install-recommends systemd-sysv dbus influxdb
	pack "machine-$suite" "$root"
	say "made a machine of it"
}

# mirror is where this machine has its Debian from.
# shellcheck disable=SC2016 # apt's own variable
mirror() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | sed -n 1p; }

# settle_in gives a root what this machine needs to reach others: its resolver,
# its own CAs and what apt was told.
settle_in() {
	local root=$1
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >"$root/etc/hosts" # as an installer does
	find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$root/usr/local/share/ca-certificates/" \;
	quietly chroot "$root" update-ca-certificates
	apt-config dump | grep -E '^Acquire::(https?|Check|Retries)' >"$root/etc/apt/apt.conf.d/00machine" || true
	quietly in_root "$root" root apt-get update
}

# pack keeps a root for a month.
pack() {
	mkdir -p "$cache"
	tar -C "$2" -cf "$cache/$1.part" .
	mv "$cache/$1.part" "$cache/$1.tar"
}

unpack() {
	[ -n "$(find "$cache/$1.tar" -mtime -30 2>/dev/null)" ] || return 1
	mkdir "$2"
	tar -C "$2" -xf "$cache/$1.tar"
	cp -L /etc/resolv.conf "$2/etc/resolv.conf"
}

# in_root runs a command as a user of a root, with this machine's Go, and its
# modules in the place of a proxy. Nothing of it outlives the command.
in_root() {
	local root=$1 user=$2 name pass=()
	shift 2
	for name in http_proxy https_proxy no_proxy GOSUMDB GONOSUMDB GOPRIVATE NODE_EXTRA_CA_CERTS TESTS_INSIDE; do
		[ -z "${!name:-}" ] || pass+=("$name=${!name}")
	done
	pass+=("GOPROXY=file:///mnt/modules,$(go env GOPROXY)" DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8)
	pass+=("PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	# shellcheck disable=SC2016 # the inner shell's
	GOROOT=$(go env GOROOT) MODULES=$(go env GOMODCACHE)/cache/download \
		unshare --mount --pid --fork --kill-child --propagation private bash -ec '
		root=$1 user=$2 compiled=$3
		shift 3
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		mount -t sysfs -o ro sysfs "$root/sys"
		mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
		mkdir -p "$root/usr/local/go" "$root/mnt/modules"
		mount --bind -o ro "$GOROOT" "$root/usr/local/go"
		mount --bind -o ro "$MODULES" "$root/mnt/modules"
		if [ -n "$compiled" ]; then
			mkdir -p "$root/mnt/layers" "$root/mnt/compiled"
			mount -t tmpfs tmpfs "$root/mnt/layers"
			mkdir "$root/mnt/layers/upper" "$root/mnt/layers/work"
			layers=upperdir=$root/mnt/layers/upper,workdir=$root/mnt/layers/work
			mount -t overlay -o "lowerdir=$compiled,$layers" overlay "$root/mnt/compiled"
			find "$root/mnt/compiled" -maxdepth 1 -type d -exec chmod a+rwx {} +
		fi
		exec chroot "$root" setpriv --reuid "$user" --regid "$user" --init-groups --reset-env env "$@"
	' - "$root" "$user" "${compiled:-}" "${pass[@]}" "$@"
}

# bring puts the project as it is into the home of a user.
bring() {
	local root=$1 home=$2 user=$3
	rm -rf "$root$home/tocsin"
	mkdir -p "$root$home/tocsin"
	git -c safe.directory="$PWD" ls-files -z --cached --others --exclude-standard |
		tar --null --ignore-failed-read -T - -c 2>/dev/null | tar -C "$root$home/tocsin" -x
	in_root "$root" root chown -R "$user:$user" "$home/tocsin"
	in_root "$root" "$user" git -C "$home/tocsin" init --quiet
	in_root "$root" "$user" git -C "$home/tocsin" add --all
}

# demo is the first command of the README, ended with Ctrl-C.
demo() {
	local suite=$1 root=$scratch/plain-$1 out=$scratch/demo-$1 settings=() compiled=
	step="the demo on $suite"
	bring "$root" "/home/$STRANGER" "$STRANGER"
	if [ -z "$full" ]; then
		compiled=$(go env GOCACHE)
		settings=(GOCACHE=/mnt/compiled GOFLAGS="-buildvcs=false -trimpath" CGO_ENABLED=0)
	fi
	# shellcheck disable=SC2016 # the inner shell's
	in_root "$root" "$STRANGER" "${settings[@]}" bash -ec '
		cd ~/tocsin
		go build -o /dev/null .
		echo "first build: ${SECONDS} s"
		set -m # a job has a process group, which Ctrl-C ends
		go run . demo >~/demo.log 2>&1 &
		end=$((SECONDS + 300))
		until grep -q ✅ ~/demo.log || [ "$SECONDS" -gt "$end" ]; do sleep 1; done
		kill -INT -- -$!
		wait $! || true
		cat ~/demo.log
		echo "left: $(find /tmp -mindepth 1 -not -path "/tmp/go-build*")"
	' >"$out" 2>&1 || { cat "$out" >&2; return 1; }
	for word in 'door is left open' '  fired  *[1-9]' '  resolved  *[1-9]' '^left: $'; do
		grep -q "$word" "$out" || { cat "$out" >&2; echo "the demo does not say $word" >&2; return 1; }
	done
	say "$suite: the demo fires, resolves and leaves nothing ($(grep '^first build' "$out"))"
}

# walks are the second command of the README, by both who may install things.
walks() {
	local suite=$1 user home root
	for user in root "$STRANGER"; do
		step="packaging/test.sh on $suite as $user"
		root=$scratch/walk-$suite-$user
		mkdir "$root"
		tar -C "$root" -xf "$cache/$suite.tar"
		cp -L /etc/resolv.conf "$root/etc/resolv.conf"
		home=/home/$STRANGER
		[ "$user" != root ] || home=/root
		bring "$root" "$home" "$user"
		TESTS_INSIDE=fresh quietly in_root "$root" "$user" CI=true bash -c "cd $home/tocsin && bash packaging/test.sh"
		say "$step: all is well"
		rm -rf --one-file-system "$root"
	done
}

main "$@"
