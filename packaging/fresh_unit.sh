# shellcheck shell=bash
# The part of packaging/fresh.sh that is about the packaged unit: a machine that
# has booted, with an InfluxDB, a receiver of messages, a member of the group and
# a stranger, and what is done to the unit on it.

# unit puts tocsin on a machine that has booted, as the README says, and does to
# it what happens to services.
unit() {
	root=$scratch/machine-$1
	trap 'unit_ends $?' EXIT
	place
	boot
	begin
	sandbox
	members
	reload
	restart
	kill_it
	hang
	reboot
	purge
	from_tarball
}

unit_ends() {
	[ "$1" -eq 0 ] || {
		echo "failed: the unit on ${root##*-}: $step" >&2
		tail -n 40 "$root.console" >&2
		inside journalctl -u tocsin --no-pager -n 60 >&2
	} || true
	halt
}

# place puts everything into the machine's file system.
place() {
	step="install the package"
	cp "$scratch"/dist/*.deb "$root/root/tocsin.deb"
	quietly in_root "$root" root apt-get install -y --no-install-recommends /root/tocsin.deb
	says '^enabled$' chroot "$root" systemctl is-enabled tocsin
	says '^640 root tocsin$' chroot "$root" stat -c '%a %U %G' /etc/tocsin/config.yaml
	says '^750 root tocsin$' chroot "$root" stat -c '%a %U %G' /etc/tocsin
	newer
	chroot "$root" useradd --create-home --groups tocsin ann
	chroot "$root" useradd --create-home bob
	cat >"$root/etc/tocsin/config.yaml" <<-'END'
		sources:
		  home: {kind: influxdb, url: "http://127.0.0.1:8086", database: home, username: tocsin}
		channels:
		  phone: {}
		operators: [phone]
		every: 10s
	END
	chroot "$root" chgrp tocsin /etc/tocsin/config.yaml
	chmod 640 "$root/etc/tocsin/config.yaml"
	(umask 077 && echo hunter2 >"$root/etc/tocsin/influx.password" &&
		echo 'generic://127.0.0.1:8099/?disabletls=yes&template=json' >"$root/etc/tocsin/phone.url")
	mkdir -p "$root/etc/systemd/system/tocsin.service.d"
	cat >"$root/etc/systemd/system/tocsin.service.d/secrets.conf" <<-'END'
		[Service]
		LoadCredential=sources.home.password:/etc/tocsin/influx.password
		LoadCredential=channels.phone.url:/etc/tocsin/phone.url
		WatchdogSec=30s
	END
	sed -i 's/^ *#* *auth-enabled *=.*/  auth-enabled = true/' "$root/etc/influxdb/influxdb.conf"
	others
	chroot "$root" systemctl --quiet enable tocsin influxdb receiver thermometer
}

# newer makes the next version of the package.
newer() {
	dpkg-deb --raw-extract "$root/root/tocsin.deb" "$scratch/newer-${root##*-}"
	sed -i 's/^Version: .*/Version: 99.0.0-1/' "$scratch/newer-${root##*-}/DEBIAN/control"
	quietly dpkg-deb -Znone --root-owner-group --build "$scratch/newer-${root##*-}" "$root/root/newer.deb"
}

# others are a service that takes messages, one a line of a file, and one that
# writes a temperature.
others() {
	cat >"$root/usr/local/bin/receiver" <<-'END'
		#!/usr/bin/perl
		use IO::Socket::INET; use IO::Handle;
		my $door = IO::Socket::INET->new(LocalAddr => '127.0.0.1:8099', Listen => 50, ReuseAddr => 1) or die $!;
		open my $log, '>>', '/var/log/received' or die $!;
		$log->autoflush;
		while (my $c = $door->accept) {
			my $size = 0;
			while (defined(my $line = <$c>)) {
				$size = $1 if $line =~ /^content-length: *(\d+)/i;
				last if $line =~ /^\r?$/;
			}
			read $c, my $body, $size;
			$body =~ s/\s+/ /g;
			print $log "$body\n";
			print $c "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
			close $c;
		}
	END
	cat >"$root/usr/local/bin/influx-post" <<-'END'
		#!/bin/bash
		# influx-post PATH BODY
		exec 3<>/dev/tcp/127.0.0.1/8086
		printf 'POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' "$1" >&3
		printf 'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s' ${#2} "$2" >&3
		head -1 <&3 | grep -q ' 20[04] '
	END
	cat >"$root/usr/local/bin/thermometer" <<-'END'
		#!/bin/bash
		until influx-post /query 'q=CREATE USER tocsin WITH PASSWORD '"'hunter2'"' WITH ALL PRIVILEGES' ||
			influx-post '/query?u=tocsin&p=hunter2' 'q=SHOW DATABASES'; do sleep 1; done 2>/dev/null
		until influx-post '/query?u=tocsin&p=hunter2' 'q=CREATE DATABASE home'; do sleep 1; done
		while sleep 1; do influx-post '/write?db=home&u=tocsin&p=hunter2' "room,sensor=a celsius=$(cat /var/lib/celsius)"; done
	END
	chmod 755 "$root"/usr/local/bin/{receiver,influx-post,thermometer}
	echo 30 >"$root/var/lib/celsius"
	local name
	for name in receiver thermometer; do
		printf '%s\n' '[Service]' "ExecStart=/usr/local/bin/$name" Restart=always RestartSec=1s StandardOutput=null \
			StandardError=null '[Install]' WantedBy=multi-user.target >"$root/etc/systemd/system/$name.service"
	done
}

# boot starts the machine. Its network is its own, with nothing outside.
boot() {
	local standalone=()
	[ -d /run/systemd/system ] || standalone=(--register=no --keep-unit)
	step="boot the machine (systemd-nspawn must be allowed to)"
	systemd-nspawn --quiet --boot --private-network "${standalone[@]}" --machine "fresh-$$" --directory "$root" \
		</dev/null >"$root.console" 2>&1 &
	nspawn=$!
	until_so 180 booted
	say "${root##*-}: booted, $(inside systemctl --version | sed -n 1p)"
}

booted() { [ -d "/proc/$nspawn" ] && [[ $(inside systemctl is-system-running 2>/dev/null) =~ running|degraded ]]; }

halt() {
	[ -n "$nspawn" ] || return 0
	inside systemctl poweroff --force --force 2>/dev/null || true # nothing of it is kept
	until_so 90 gone || kill -KILL "$nspawn" 2>/dev/null || true
	wait "$nspawn" 2>/dev/null || true
	nspawn=
}

gone() { ! pgrep -P "$nspawn" >/dev/null; }

# inside runs a command as root on the machine.
inside() {
	nsenter --target "$(pgrep -P "$nspawn" | sed -n 1p)" --mount --uts --ipc --net --pid --cgroup \
		env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root "$@"
}

# as runs a command as somebody who has logged in.
as() {
	local user=$1
	shift
	inside setpriv --reuid "$user" --regid "$user" --init-groups env USER="$user" HOME="/home/$user" "$@"
}

# until_so waits until a command succeeds, for so many seconds.
until_so() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# says wants a text in what a command prints.
says() {
	local want=$1 out
	shift
	out=$("$@" 2>&1) || true
	if ! grep -q -e "$want" <<<"$out"; then
		printf '%s: does not say %s:\n%s\n' "$*" "$want" "$out" >&2
		return 1
	fi
}

active() { [ "$(inside systemctl is-active tocsin)" = active ]; }
pid() { inside systemctl show --property MainPID --value tocsin; }
received() { grep -c "${1:-.}" "$root/var/log/received" 2>/dev/null || true; }
ready() {
	inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/8627 &&
		printf "GET /ready HTTP/1.0\r\nHost: localhost\r\n\r\n" >&3 && grep -q "200 OK" <&3' 2>/dev/null
}
told() { [ "$(received "$1")" -ge 1 ]; }
firing() { as ann tocsin alerts list --status firing 2>/dev/null | grep -q 'Too warm'; }

begin() {
	step="start the unit"
	until_so 120 ready
	active
	began=$SECONDS
	step="the secrets come from systemd: an alarm reaches the receiver"
	until_so 120 create_rule
	until_so 120 told 'Too warm'
	say "${root##*-}: the unit runs, its secrets are systemd's, and an alarm came through"
}

# create_rule makes the rule as Claude does, for a member of the group.
create_rule() {
	says '"rule":' tool ann create_alert_rule '{"title": "Too warm", "measurement": "room", "field": "celsius",
		"group_by": ["sensor"], "condition": {"type": "threshold", "aggregation": "mean", "window": "1m", "operator": ">",
		"value": 20}}'
}

# tool calls one of the tools of a model that somebody's Claude started.
tool() {
	local user=$1 name=$2 arguments=${3:-"{}"}
	arguments=${arguments//$'\n'/ } # a message is a line
	as "$user" tocsin mcp <<-END
		{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "$name", "arguments": $arguments}}
	END
}

sandbox() {
	step="the sandbox"
	local score
	score=$(inside systemd-analyze security tocsin.service --no-pager | sed -n 's/.*Overall exposure level.*: \([0-9.]*\).*/\1/p')
	awk -v score="$score" 'BEGIN { exit !(score != "" && score <= 1.5) }' || {
		echo "systemd-analyze security says '$score', and 1.5 is the most" >&2
		return 1
	}
	step="the socket is the group's"
	says '^660 tocsin tocsin$' inside stat -c '%a %U %G' /run/tocsin/tocsin.sock
	says '^750 tocsin tocsin$' inside stat -c '%a %U %G' /run/tocsin
	step="the journal dates its lines by itself"
	says 'Started ' inside journalctl -u tocsin --no-pager
	says_not ' time=' inside journalctl -u tocsin --no-pager
	says '^StatusText=runs$' inside systemctl show --property StatusText tocsin
	step="nothing was logged that needs a cure"
	# It starts before the database is made, and says so.
	says_not 'level=WARN\|level=ERROR' inside bash -c 'journalctl -u tocsin --no-pager | grep -v "source cannot be used"'
	say "${root##*-}: exposure $score, and the socket is the group's"
}

members() {
	step="a member of the group"
	says "running, pid $(pid)" as ann tocsin status
	says 'Too warm' as ann tocsin alerts list
	says 'Too warm' tool ann list_alerts
	says "runs with pid $(pid) on /var/lib/tocsin" as ann tocsin doctor
	says 'ok  *channel phone  *generic, works' as ann tocsin doctor
	says 'phone' as ann tocsin status
	step="root, and the daemon's own user, who have no credentials of systemd's"
	says 'ok  *channel phone  *generic, works' inside tocsin doctor
	says 'ok  *channel phone  *generic, works' inside runuser -u tocsin -- tocsin doctor
	says 'phone  *generic' inside runuser -u tocsin -- tocsin channels list
	says_not 'is missing' inside runuser -u tocsin -- tocsin config check
	step="a stranger"
	says 'sudo usermod -aG tocsin bob' as bob tocsin status
	says 'sudo usermod -aG tocsin bob' as bob tocsin alerts list
	says_not 'Too warm' tool bob list_alerts
	say "${root##*-}: members of the group use it, strangers are told how to"
}

says_not() {
	local bad=$1 out
	shift
	out=$("$@" 2>&1) || true
	if grep -q -e "$bad" <<<"$out"; then
		printf '%s: says %s:\n%s\n' "$*" "$bad" "$out" >&2
		return 1
	fi
}

reload() {
	local was
	was=$(pid)
	step="a reload with a fault"
	cp -p "$root/etc/tocsin/config.yaml" "$root/etc/tocsin/good.yaml"
	echo 'evrey: 5s' >>"$root/etc/tocsin/config.yaml"
	inside systemctl reload tocsin
	until_so 60 says 'config not reloaded' inside journalctl -u tocsin --no-pager
	says '^StatusText=runs, with the config from before' inside systemctl show --property StatusText tocsin
	step="a reload"
	sed 's/every: 10s/every: 5s/' "$root/etc/tocsin/good.yaml" >"$root/etc/tocsin/config.yaml"
	inside systemctl reload tocsin
	until_so 60 says 'tocsin runs.* every=5s' inside journalctl -u tocsin --no-pager
	until_so 90 ready
	[ "$was" = "$(pid)" ]
	until_so 60 firing
	say "${root##*-}: reloads keep the process, the alert and, with a fault, the old config"
}

# quiet watches that for so long nobody is told anything.
quiet() {
	local before after
	before=$(received)
	sleep "$1"
	after=$(received)
	[ "$before" = "$after" ] || { tail -n $((after - before)) "$root/var/log/received" >&2; return 1; }
}

# restart is one of under a second, after the daemon has run for a while, as an
# upgrade makes it.
restart() {
	local least=150 watched=75 was
	[ -z "$full" ] || { least=960 watched=180; }
	while [ $((SECONDS - began)) -lt "$least" ]; do sleep 1; done
	step="an upgrade of the package, after which nobody is told anything"
	cp -p "$root/etc/tocsin/config.yaml" "$root/root/config.yaml"
	was=$(pid)
	quietly inside dpkg --install /root/newer.deb
	until_so 90 back_after "$was"
	cmp "$root/etc/tocsin/config.yaml" "$root/root/config.yaml"
	quiet $watched
	says '^660 tocsin tocsin$' inside stat -c '%a %U %G' /run/tocsin/tocsin.sock
	until_so 60 firing
	say "${root##*-}: an upgrade after ${least}s is nobody's business, and keeps the config"
}

kill_it() {
	local was
	was=$(pid)
	step="kill -9"
	inside bash -c "kill -KILL $was"
	until_so 90 back_after "$was"
	until_so 90 firing
	quiet "$([ -z "$full" ] && echo 5 || echo 100)"
	says "running, pid $(pid)" as ann tocsin status
	say "${root##*-}: it is back after kill -9, and nobody was told twice"
}

back_after() { active && [ "$(pid)" != "$1" ] && ready; }

# hang is a process that does nothing any more: the watchdog ends it.
hang() {
	local was
	was=$(pid)
	step="a daemon that hangs"
	inside bash -c "kill -STOP $was"
	until_so 120 back_after "$was"
	says 'Watchdog timeout' inside journalctl -u tocsin --no-pager
	until_so 90 firing
	say "${root##*-}: systemd ends one that hangs, and it is back"
}

# reboot is also about the clock: nothing says that it is right until systemd
# does.
reboot() {
	step="a reboot"
	local leader
	leader=$(pgrep -P "$nspawn")
	inside systemctl reboot 2>/dev/null || true # the answer is cut off
	until_so 120 over "$leader"
	if [ -d "/proc/$nspawn" ]; then until_so 180 booted; else boot; fi
	until_so 120 ready
	until_so 120 firing
	step="the clock"
	says 'clock  *unsure' as ann tocsin status
	inside mkdir -p /run/systemd/timesync
	inside touch /run/systemd/timesync/synchronized
	until_so 90 says_not 'clock  *unsure' as ann tocsin status
	step="the end of the alert"
	echo 10 >"$root/var/lib/celsius"
	until_so 120 told 'esolved'
	[ "$(received 'Too warm')" -eq 2 ] || { cat "$root/var/log/received" >&2; return 1; }
	step="no word of an absence"
	[ "$(received 'not watched')" -eq 0 ] || { cat "$root/var/log/received" >&2; return 1; }
	say "${root##*-}: it is back after a reboot, believes systemd about the clock, and the alert has ended"
}

# over is true when the machine has gone down: without a service manager around
# it systemd-nspawn ends instead of starting it again.
over() {
	local now
	[ -d "/proc/$nspawn" ] || return 0
	now=$(pgrep -P "$nspawn") && [ "$now" != "$1" ]
}

# purge takes away what remove leaves: the data, the config and the user.
purge() {
	step="remove the package"
	quietly inside dpkg --remove tocsin
	says '^inactive$' inside systemctl is-active tocsin
	inside test -s /var/lib/tocsin/tocsin.db
	inside test -s /etc/tocsin/config.yaml
	step="purge the package"
	quietly inside dpkg --purge tocsin
	says_not . inside find / -xdev -name '*tocsin*' -not -path '/etc/systemd/system/tocsin.service.d' \
		-not -path '/root/*' -not -path '/proc/*'
	says_not tocsin inside cat /etc/passwd /etc/group
	say "${root##*-}: a remove keeps the data, a purge leaves nothing"
}

# from_tarball installs it without a package, twice, and removes it.
from_tarball() {
	step="install from the tarball"
	inside rm -r /etc/systemd/system/tocsin.service.d
	cp "$scratch"/dist/*.tar.gz "$root/root/tocsin.tar.gz"
	inside tar -xzf /root/tocsin.tar.gz -C /root
	says 'installed, and running' inside sh -c '/root/tocsin_*/install.sh'
	until_so 90 ready
	echo 'every: 20s' >>"$root/etc/tocsin/config.yaml"
	says 'installed, and running' inside sh -c '/root/tocsin_*/install.sh'
	until_so 90 ready
	says 'every: 20s' inside cat /etc/tocsin/config.yaml
	step="uninstall"
	says 'still in /etc/tocsin' inside sh -c '/root/tocsin_*/install.sh --uninstall'
	says_not . inside find /usr/local -name '*tocsin*'
	inside test -s /var/lib/tocsin/tocsin.db
	say "${root##*-}: so does the tarball, and its config stays"
}
