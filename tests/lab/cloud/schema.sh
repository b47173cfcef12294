#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the databases of all services, at their newest schema, and packs MariaDB's data directory as /snapshot/databases.tar.
# Runs once in a container of the cloud's image without network; no password and no address goes into the snapshot:
# users are made later, and the cell's addresses are templates that Nova fills from its own configuration.
set -eu

export PATH="/opt/openstack/bin:$PATH" OS_NOVA_DISABLE_EVENTLET_PATCHING=1
etc=$(mktemp -d)
mkdir -p /run/mysqld /var/lib/nova /snapshot
chown mysql: /run/mysqld
rm -rf /var/lib/mysql
mariadb-install-db --user=mysql --auth-root-authentication-method=socket >/snapshot/install.log 2>&1
install -m 644 /etc/openstack/mariadb.cnf /etc/mysql/mariadb.conf.d/99-lab.cnf
mariadbd --user=mysql --skip-grant-tables --bind-address=127.0.0.1 --innodb-flush-method=nosync \
    >/snapshot/mariadb.log 2>&1 &
server=$!
tries=0
until mariadb-admin --silent ping >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || { echo "MariaDB does not start; see mariadb.log" >&2; exit 1; }
    sleep 0.2
done

for name in keystone glance placement nova_api nova nova_cell0; do
    mariadb -e "CREATE DATABASE $name CHARACTER SET utf8mb4"
done
url() { echo "mysql+pymysql://nobody:none@127.0.0.1:3306/$1?charset=utf8mb4"; }
printf '[database]\nconnection = %s\n' "$(url keystone)" >"$etc/keystone.conf"
printf '[database]\nconnection = %s\n' "$(url glance)" >"$etc/glance.conf"
printf '[placement_database]\nconnection = %s\n' "$(url placement)" >"$etc/placement.conf"
# Nova checks the cell's templates against its own configuration, so it needs some transport.
printf '[api_database]\nconnection = %s\n[database]\nconnection = %s\n[DEFAULT]\ntransport_url = %s\n' \
    "$(url nova_api)" "$(url nova)" "rabbit://nobody:none@127.0.0.1:5672/" >"$etc/nova.conf"

# A step's output is kept in its own log, which is shown when the step fails.
step() {
    log="/snapshot/$1.log"
    shift
    "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; return 1; }
}
step keystone keystone-manage --config-file "$etc/keystone.conf" db_sync &
keystone=$!
(
    step placement placement-manage --config-file "$etc/placement.conf" db sync
    step glance glance-manage --config-file "$etc/glance.conf" db_sync
) &
others=$!
manage="nova-manage --config-file $etc/nova.conf"
template='{scheme}://{username}:{password}@{hostname}:{port}'
# shellcheck disable=SC2086 # words of a command
{
    step nova-api $manage api_db sync
    step nova-cell0 $manage cell_v2 map_cell0 --database_connection "$template/nova_cell0?{query}"
    step nova-schema $manage db sync
    step nova-cell1 $manage cell_v2 create_cell --name cell1 --database_connection "$template/{path}?{query}" \
        --transport-url "$template/{path}"
}
wait "$keystone"
wait "$others"
mariadb-admin shutdown
wait "$server"
tar -C /var/lib/mysql -cf /snapshot/databases.tar.new .
mv /snapshot/databases.tar.new /snapshot/databases.tar
