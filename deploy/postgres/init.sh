#!/bin/sh
# Once, when the database is first made: a role that is no superuser. It may make databases, for the restore drill.
set -eu
password=$(cat /run/secrets/database_password)
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<SQL
CREATE ROLE campsite LOGIN CREATEDB PASSWORD '$password';
CREATE DATABASE campsite OWNER campsite;
SQL
