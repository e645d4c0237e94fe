#!/bin/sh
# Builds the base layer of a sandbox: Debian with Slurm and MariaDB, the database made but empty.
# Run in a mount and process namespace of its own (build.py): what debootstrap mounts ends with it.
# Standard output carries one line per step, standard error everything else.
# usage: base.sh ROOT SUITE SCRIPT KEYRING MIRROR PACKAGE,PACKAGE,...
set -eu
root=$1 suite=$2 script=$3 keyring=$4 mirror=$5 packages=$6

mkdir -p "$root/etc/dpkg/dpkg.cfg.d" "$root/etc/mysql/mariadb.conf.d"
cat >"$root/etc/dpkg/dpkg.cfg.d/sandbox" <<EOF
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
EOF

echo "installing Debian $suite with Slurm"
debootstrap --variant=minbase --keyring="$keyring" --include="$packages" "$suite" "$root" $mirror "$script" >&2

echo "making the database"
# Snapshot isolation as MariaDB 11.8 has it ends slurmdbd ("Record has changed since last read").
# Losing the last second of commits when the whole machine fails is nothing to a throw-away cluster.
cat >"$root/etc/mysql/mariadb.conf.d/99-sandbox.cnf" <<EOF
[mariadbd]
user = mysql
datadir = /var/lib/slurm-database
socket = /run/mysqld/mysqld.sock
pid-file = /run/mysqld/mariadbd.pid
log-error = /var/log/mysql/mariadbd.log
skip-networking
skip-name-resolve
local-infile = 1
character-set-server = utf8mb4
innodb_snapshot_isolation = OFF
innodb_lock_wait_timeout = 900
innodb_buffer_pool_size = 1G
innodb_temp_data_file_path = ibtmp1:3M:autoextend
innodb_log_file_size = 16M
innodb_flush_log_at_trx_commit = 2
[client]
socket = /run/mysqld/mysqld.sock
default-character-set = utf8mb4
local-infile = 1
EOF
cat >"$root/tmp/database.sql" <<EOF
FLUSH PRIVILEGES;
CREATE DATABASE slurm_acct_db;
CREATE USER slurm@localhost IDENTIFIED VIA unix_socket;
GRANT ALL ON slurm_acct_db.* TO slurm@localhost;
EOF
chroot "$root" /bin/sh -eu >&2 <<'EOF'
getent passwd mysql >/dev/null || useradd --system --no-create-home --shell /usr/sbin/nologin mysql
getent passwd slurm >/dev/null || useradd --system --no-create-home --shell /usr/sbin/nologin slurm
mkdir -p /var/log/mysql
chown mysql: /var/log/mysql
mariadb-install-db --user=mysql --skip-test-db --extra-file=/tmp/database.sql
rm /tmp/database.sql /var/log/mysql/*
EOF

rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/* \
    "$root"/usr/share/locale/* "$root"/debootstrap "$root"/var/log/bootstrap.log
