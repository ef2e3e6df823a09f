#!/bin/sh
# Insula on PostgreSQL and Redis, for the shared comparison. Both come from the environment, as `cargo xtask services` prints it.
#   cluster.sh prepare <insula>          a fresh database with its schemas
#   cluster.sh serve <insula> ARG...     `insula serve` on it
set -eu
: "${INSULA_TEST_POSTGRES_URL:?run cargo xtask services and export what it prints}"
: "${INSULA_TEST_REDIS_URL:?run cargo xtask services and export what it prints}"
what=$1
insula=$2
shift 2
database=insula_bench
superuser=${INSULA_TEST_POSTGRES_URL%/*}
place=${superuser##*@}
# Any 32 bytes: this data lives as long as the measurement.
export INSULA_ROOT_KEY="YmVuY2htYXJrLWJlbmNobWFyay1iZW5jaG1hcmsteHg="
case $what in
prepare)
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 "$INSULA_TEST_POSTGRES_URL" <<SQL
DROP DATABASE IF EXISTS $database WITH (FORCE);
CREATE DATABASE $database;
DO \$\$ BEGIN CREATE ROLE insula_bench LOGIN NOINHERIT PASSWORD 'bench'; EXCEPTION WHEN duplicate_object THEN NULL; END \$\$;
SQL
    INSULA_OWNER_URL=$superuser/$database "$insula" migrate --login insula_bench >/dev/null
    ;;
serve)
    export INSULA_POSTGRES_URL="postgres://insula_bench:bench@$place/$database" INSULA_REDIS_URL="$INSULA_TEST_REDIS_URL"
    exec "$insula" serve "$@"
    ;;
esac
