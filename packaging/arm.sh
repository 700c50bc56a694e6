#!/usr/bin/env bash
# Runs a binary for another processor under qemu, as on a Pi: a point comes in, a
# rule fires, an alert is acknowledged, the daemon is killed, and the database is
# whole. The demo is seen to fire too.
#
#   packaging/arm.sh dist/tocsin_linux_arm64 qemu-aarch64-static
#   packaging/arm.sh dist/tocsin_linux_armv6 qemu-arm-static -cpu arm1176
#
# A Pi 1 and a Zero are arm1176.
set -euo pipefail

if [ $# -lt 2 ]; then
	sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
	exit 2
fi
binary=$(realpath "$1")
shift
emulator=("$@")
scratch=$(mktemp -d)
step=start
pids=()

main() {
	cat >"$scratch/config.yaml" <<-END
		data_dir: $scratch/data
		listen: 127.0.0.1:$(free_port)
		every: 2s
		sources: {live: {kind: live}}
	END
	address=$(sed -n 's/^listen: //p' "$scratch/config.yaml")
	export TOCSIN_CONFIG=$scratch/config.yaml RUNTIME_DIRECTORY=$scratch
	start demo demo
	demo=${pids[-1]}
	start serve serve
	step="a rule"
	until_so 60 push -2
	tocsin rules create --title "Too warm" --measurement room --field celsius --group-by sensor --aggregation latest \
		--window 1m --above -15 >"$scratch/out" 2>&1
	step="an alert"
	until_so 60 fires
	tocsin alerts ack "$(alert)" --note "on a Pi" >"$scratch/out"
	end KILL
	start serve serve
	step="integrity after kill -9"
	until_so 60 tocsin alerts list
	tocsin backup "$scratch/copy.db" >"$scratch/out"
	end TERM
	tocsin restore --yes "$scratch/copy.db" >"$scratch/out" 2>&1 # checks all of it
	tocsin alerts show "$(alert)" >"$scratch/out"
	grep -q 'on a Pi' "$scratch/out"
	step="the demo"
	until_so 90 grep -q ✅ "$scratch/demo.log"
	kill -INT "$demo"
	wait "$demo"
}

tocsin() { "${emulator[@]}" "$binary" "$@"; }

# start runs a command of it beside this script.
start() {
	step="start $2"
	"${emulator[@]}" "$binary" "$2" >"$scratch/$1.log" 2>&1 </dev/null &
	pids+=($!)
}

# end ends what was started last.
end() {
	kill "-$1" "${pids[-1]}"
	wait "${pids[-1]}" 2>/dev/null || true
}

free_port() { shuf -i 20000-29999 -n 1; }

push() { curl --silent --fail --output /dev/null --data-binary "room,sensor=a celsius=$1" "http://$address/write"; }
fires() { push -2 && tocsin alerts list --json --status firing >"$scratch/alerts" && grep -q Too "$scratch/alerts"; }
alert() { sed -n 's/.*"id": *"\([^"]*\)".*/\1/p' "$scratch/alerts" | sed -n 1p; }

# until_so waits until a command succeeds, for so many seconds.
until_so() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >"$scratch/out" 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.5
	done
}

finish() {
	local status=$?
	kill -KILL "${pids[@]}" 2>/dev/null || true
	if [ "$status" -ne 0 ]; then
		echo "failed: ${emulator[*]}: $step" >&2
		tail -n 30 "$scratch"/*.log "$scratch/out" >&2
	fi
	rm -rf "$scratch"
}

trap finish EXIT
main
echo "   ${emulator[*]}: demo, rule, alert and integrity in ${SECONDS}s"
