#!/bin/bash
# Run once by the postgres image, on an empty volume: logins and databases of Nightshift and of Temporal. The same as src/embedded makes.
set -euo pipefail

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
  --set=owner_password="$NIGHTSHIFT_OWNER_PASSWORD" \
  --set=app_password="$NIGHTSHIFT_APP_PASSWORD" \
  --set=temporal_password="$TEMPORAL_DB_PASSWORD" << 'SQL'
-- Owns the database and may create roles: runs the migrations.
CREATE ROLE nightshift_owner LOGIN CREATEROLE PASSWORD :'owner_password';
-- Has no rights of its own: the migrations grant it the roles that the product works with.
CREATE ROLE nightshift LOGIN PASSWORD :'app_password';
CREATE DATABASE nightshift OWNER nightshift_owner;
REVOKE ALL ON DATABASE nightshift FROM PUBLIC;
GRANT CONNECT ON DATABASE nightshift TO nightshift;

CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE ALL ON DATABASE temporal, temporal_visibility FROM PUBLIC;
SQL
