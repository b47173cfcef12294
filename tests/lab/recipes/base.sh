#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What every image has in common, done to the fresh system in directory $1 (a customize hook of mmdebstrap).
set -e

# Nothing starts while packages are installed.
printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"

# Each container gets an identity of its own at its first start, and a journal that outlives a power cut.
: > "$1/etc/machine-id"
mkdir -p "$1/var/log/journal"

# A host in a container has no console, no seats and no housekeeping.
chroot "$1" systemctl set-default multi-user.target
chroot "$1" systemctl mask console-getty.service getty.target systemd-logind.service systemd-networkd.service \
    systemd-udevd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer
