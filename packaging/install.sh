#!/bin/sh
# Installs what lies beside it as a service of systemd, or brings a new version
# of it: the config and the data stay as they are. Run it as root.
#
#   ./install.sh                installs and starts
#   ./install.sh --uninstall    removes it; the config and the data stay
set -eu
cd "$(dirname "$0")"

PREFIX=/usr/local
UNIT=/etc/systemd/system/tocsin.service

main() {
	case "${1:-}" in
	"") install_it ;;
	--uninstall) uninstall ;;
	*)
		sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	esac
}

install_it() {
	if [ "$(id -u)" -ne 0 ]; then
		echo "run it as root: sudo ./install.sh" >&2
		exit 1
	fi
	if ! getent passwd tocsin >/dev/null; then
		useradd --system --user-group --home-dir /var/lib/tocsin --shell /usr/sbin/nologin tocsin
	fi
	install -D -m 755 tocsin $PREFIX/bin/tocsin
	for page in man/*; do install -D -m 644 "$page" "$PREFIX/share/man/man1/${page##*/}"; done
	install -D -m 644 bash $PREFIX/share/bash-completion/completions/tocsin
	install -D -m 644 zsh $PREFIX/share/zsh/site-functions/_tocsin
	install -D -m 644 fish $PREFIX/share/fish/vendor_completions.d/tocsin.fish
	if [ ! -e /etc/tocsin/config.yaml ]; then
		install -d -o root -g tocsin -m 750 /etc/tocsin
		install -o root -g tocsin -m 640 config.yaml /etc/tocsin/config.yaml
	fi
	install -D -m 644 tocsin.service $UNIT
	if [ ! -d /run/systemd/system ]; then
		echo "installed; systemd does not run here, so start it with: tocsin serve --config /etc/tocsin/config.yaml"
		return
	fi
	systemctl daemon-reload
	systemctl enable --quiet tocsin
	systemctl restart tocsin
	echo "installed, and running: tocsin status"
}

uninstall() {
	if [ -d /run/systemd/system ]; then systemctl disable --quiet --now tocsin || true; fi
	rm -f $UNIT $PREFIX/bin/tocsin $PREFIX/share/man/man1/tocsin.1.gz $PREFIX/share/man/man1/tocsin-*.1.gz \
		$PREFIX/share/bash-completion/completions/tocsin $PREFIX/share/zsh/site-functions/_tocsin \
		$PREFIX/share/fish/vendor_completions.d/tocsin.fish
	echo "removed; what you made is still in /etc/tocsin and /var/lib/tocsin"
}

main "$@"
