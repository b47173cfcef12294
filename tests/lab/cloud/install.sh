#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sets up the cloud container: configuration, databases from the snapshot, units; starts MariaDB and RabbitMQ.
set -eu

for name in keystone glance placement nova; do
    ln -sfn "/etc/openstack/$name" "/etc/$name"
done
mkdir -p /var/lib/nova/locks /var/lib/glance/images
install -m 644 /etc/openstack/mariadb.cnf /etc/mysql/mariadb.conf.d/99-lab.cnf
install -m 644 /etc/openstack/rabbitmq.conf /etc/openstack/rabbitmq-env.conf /etc/rabbitmq/
# RabbitMQ runs as a user of its own, which may not look into root's directory.
install -o rabbitmq -m 400 /etc/openstack/rabbitmq-definitions.json /etc/rabbitmq/definitions.json
cp /etc/openstack/units/*.service /etc/systemd/system/

systemctl stop mariadb rabbitmq-server
rm -rf /var/lib/rabbitmq/mnesia
find /var/lib/mysql -mindepth 1 -delete
tar -C /var/lib/mysql -xf /var/lib/nova-ha-lab/snapshot/databases.tar
systemctl daemon-reload
systemctl start --no-block rabbitmq-server
systemctl start mariadb
mariadb </etc/openstack/mariadb-users.sql
systemctl --quiet enable mariadb rabbitmq-server
for unit in /etc/openstack/units/*.service; do
    systemctl --quiet enable "${unit##*/}"
done
