#!/usr/bin/env bash
# Makes the image of this machine and runs it by buildah, which needs no engine,
# as compose.yaml and Kubernetes would: the config and secrets mounted, /data kept.
# It needs root, buildah and the binaries of packaging/test.sh build in DIST.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export BUILDAH_ISOLATION=chroot BUILDAH_FORMAT=docker
scratch=$(mktemp -d /var/tmp/tocsin-image-XXXXXX)
port=$(shuf -i 20000-29999 -n 1)
step="make the image"

main() {
	local box
	ENGINE="buildah --storage-driver vfs --root $scratch/store --runroot $scratch/run" packaging/image.sh >"$scratch/out" 2>&1
	box=$(images from --quiet localhost/tocsin:latest)
	step="it has no user's rights, and says how it is"
	images inspect "$box" >"$scratch/out"
	grep -q '"User": "8627:8627"' "$scratch/out"
	grep -q '"/usr/bin/tocsin",' "$scratch/out" # HEALTHCHECK
	step="secrets come from files"
	mkdir -m 777 "$scratch/data" "$scratch/tocsin"
	mkdir "$scratch/secrets"
	printf 'generic://127.0.0.1:9/?disabletls=yes' >"$scratch/secrets/phone"
	openssl rand -hex 16 >"$scratch/secrets/token"
	inside config check >"$scratch/out" 2>&1
	step="it serves"
	inside serve >"$scratch/serve" 2>&1 &
	until_so 30 curl --silent --fail "http://127.0.0.1:$port/health"
	inside status >"$scratch/out" 2>&1
	[ "$(stat -c %u "$scratch/data/tocsin.db")" = 8627 ]
	[ "$(curl --silent -o "$scratch/out" -w '%{http_code}' "http://127.0.0.1:$port/status")" = 401 ]
	curl --silent --fail -H "Authorization: Bearer $(cat "$scratch/secrets/token")" -o "$scratch/out" \
		"http://127.0.0.1:$port/status"
	step="its health ends with it"
	stop
	until_so 20 grep -q 'tocsin ends' "$scratch/serve"
	inside status >"$scratch/out" 2>&1 || true
	grep -q 'daemon  *not running' "$scratch/out"
}

images() { buildah --storage-driver vfs --root "$scratch/store" --runroot "$scratch/run" "$@"; }

# inside runs the program in the box, with what is mounted.
inside() {
	images run --env TOCSIN_LISTEN="127.0.0.1:$port" --volume "$scratch/data:/data" \
		--volume "$scratch/tocsin:/run/tocsin" --volume "$PWD/packaging/docker/beside-influxdb.yaml:/etc/tocsin/config.yaml:ro" \
		--volume "$scratch/secrets:/run/secrets:ro" "$box" -- /usr/bin/tocsin "$@"
}

stop() {
	local pid
	for pid in $(pgrep -f "^/usr/bin/tocsin serve$"); do
		[ "$(stat -c %u "/proc/$pid")" != 8627 ] || kill "$pid"
	done
}

until_so() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >"$scratch/out" 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.3
	done
}

finish() {
	local status=$?
	if [ "$status" -ne 0 ]; then
		echo "failed: the image: $step" >&2
		cat "$scratch/out" "$scratch/serve" >&2 || true
	fi
	stop || true
	wait
	images rm --all >/dev/null || true
	rm -rf --one-file-system "$scratch"
}

trap finish EXIT
main
echo "   the image serves, with secrets from files, in ${SECONDS}s"
