#!/usr/bin/env bash
# Runs a command with a PostgreSQL server of its own, for the tests that need one:
#
#     scripts/with_postgresql.sh make test
#
# The server listens on a free port of 127.0.0.1, keeps its files in a temporary folder, and stops with the command.
# The command finds it by TEST_POSTGRESQL_URL, and runs without it if PostgreSQL cannot be installed.
set -euo pipefail

without_server() {
    echo "No PostgreSQL ($1): its tests are skipped." >&2
    exec "${command[@]}"
}

find_programs() {
    local folder
    for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -Vr) $(dirname "$(command -v initdb || true)"); do
        if [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ]; then
            echo "$folder"
            return
        fi
    done
}

install_programs() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    echo "Installing PostgreSQL …"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
    # Otherwise the package starts a server of its own.
    sed -i 's/^#* *create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}

# PostgreSQL refuses to run as root.
as_server_user() {
    if [ "$(id -u)" = 0 ]; then
        runuser -u "$user" -- "$@"
    else
        "$@"
    fi
}

stop_server() {
    if [ -e "$folder/data/postmaster.pid" ]; then
        as_server_user "$programs/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null
    fi
    rm -rf "$folder"
}

start_server() {
    echo secret >"$folder/password"
    as_server_user "$programs/initdb" -D "$folder/data" -U postgres --encoding=UTF8 --no-sync \
        --auth=scram-sha-256 --pwfile="$folder/password"
    # Its files do not outlive the command, so it need not wait for the disk.
    as_server_user "$programs/pg_ctl" -D "$folder/data" -l "$folder/log" -w start \
        -o "-c listen_addresses=127.0.0.1 -p $port -c unix_socket_directories='' -c fsync=off"
}

command=("$@")
[ $# -gt 0 ] || { echo "usage: scripts/with_postgresql.sh COMMAND [ARGUMENT]..." >&2; exit 2; }
programs=$(find_programs)
if [ -z "$programs" ]; then
    install_programs >&2 || true
    programs=$(find_programs)
fi
[ -n "$programs" ] || without_server "install the package postgresql"

user=nobody
! id postgres >/dev/null 2>&1 || user=postgres
folder=$(mktemp -d)
trap stop_server EXIT
[ "$(id -u)" != 0 ] || chown "$user" "$folder"
cd_back=$PWD
cd "$folder"  # the server's user may have no access to the caller's folder
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
if ! start_server >"$folder/start" 2>&1; then
    cat "$folder/start" "$folder/log" >&2 || true
    cd "$cd_back"
    trap - EXIT
    stop_server
    without_server "it did not start"
fi
cd "$cd_back"
TEST_POSTGRESQL_URL="postgresql://postgres:secret@127.0.0.1:$port/postgres" "${command[@]}"
