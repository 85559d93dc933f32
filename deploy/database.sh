#!/bin/sh
# PostgreSQL's image runs this once, on empty data: a role for the nodes that is no superuser, and a database of its own.
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<'END'
\getenv password NODE_PASSWORD
CREATE ROLE strongroom LOGIN PASSWORD :'password';
CREATE DATABASE strongroom OWNER strongroom;
END
