#!/bin/sh
# Brings Temporal's two databases to the schema of this version; does nothing when they have it.
set -eu

tool() {
  temporal-sql-tool --plugin "$DB" --endpoint "$POSTGRES_SEEDS" --port "$DB_PORT" --user "$POSTGRES_USER" --password "$POSTGRES_PWD" "$@"
}

bring_up() {
  # Only a new database lacks the table of versions, and then the update fails.
  tool --database "$1" update-schema --schema-name "$2" && return
  tool --database "$1" setup-schema --version 0.0
  tool --database "$1" update-schema --schema-name "$2"
}

bring_up temporal postgresql/v12/temporal
bring_up temporal_visibility postgresql/v12/visibility
