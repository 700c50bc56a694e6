#!/usr/bin/env bash
# Measures the speed of the whole program against a real influxd on this
# machine and prints a table. It judges nobody: it is no test, and a machine
# that does other things as well is no place for it.
#
#   packaging/bench.sh                          everything, about 45 minutes
#   packaging/bench.sh -only "one per host"     one workload
#   packaging/bench.sh -runs 1 -ticks 6         quick and rough
#   packaging/bench.sh -vmalert vmalert -victoria victoria-metrics
#                                               a peer too, in turn, on the same
#                                               points: by path, or from Debian's
#                                               package victoria-metrics
#   packaging/bench.sh engine                   the engine alone, its source stubbed out
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" = engine ]; then
	exec go test -run '^$' -bench Tick -cpu 1 ./evaluator
fi
if ! command -v influxd >/dev/null; then
	echo "influxd is missing: apt-get install --no-install-recommends influxdb" >&2
	exit 1
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$scratch/tocsin" .
go build -tags bench -o "$scratch/bench" ./packaging/bench
"$scratch/bench" -tocsin "$scratch/tocsin" "$@"
