#!/bin/sh
# The user of parley@.service, however this system makes one.
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers parley.conf
elif command -v useradd >/dev/null 2>&1 && ! getent passwd parley >/dev/null 2>&1; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/parley --shell /usr/sbin/nologin parley
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
