
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE SCHEMA equalizer;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE equalizer.blob_locks (
    name text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL,
    until timestamp with time zone NOT NULL
);

CREATE SEQUENCE equalizer.blob_revisions
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE equalizer.blobs (
    key text NOT NULL COLLATE pg_catalog."C",
    value bytea NOT NULL,
    revision bigint DEFAULT nextval('equalizer.blob_revisions'::regclass) NOT NULL
);

CREATE TABLE equalizer.buckets (
    client_id text NOT NULL COLLATE pg_catalog."C",
    managed boolean NOT NULL,
    settings_id integer NOT NULL,
    tokens double precision NOT NULL,
    counted_at timestamp with time zone NOT NULL,
    reserved double precision
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.02');

CREATE TABLE equalizer.schema_version (
    version integer NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE equalizer.settings (
    id integer NOT NULL,
    capacity bigint NOT NULL,
    refill text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE equalizer.settings ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME equalizer.settings_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE equalizer.writer (
    only_row boolean DEFAULT true NOT NULL,
    epoch bigint NOT NULL,
    instance text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    since timestamp with time zone NOT NULL,
    stopped timestamp with time zone,
    CONSTRAINT writer_only_row_check CHECK (only_row)
);

INSERT INTO equalizer.blobs VALUES ('instance', '\x53505449504b445450483436554e37454947325743424c32364c', 1);

INSERT INTO equalizer.buckets VALUES ('client-1', false, 1, 90.0000941423275, '2026-11-29 00:37:36.037112+00', NULL);
INSERT INTO equalizer.buckets VALUES ('client-2', false, 1, 80.00014631164167, '2026-11-29 00:37:36.437582+00', NULL);
INSERT INTO equalizer.buckets VALUES ('client-3', false, 1, 70.00028221525083, '2026-11-29 00:37:37.297147+00', NULL);
INSERT INTO equalizer.buckets VALUES ('managed-full', true, 2, 15, '2026-11-29 00:37:37.301481+00', NULL);
INSERT INTO equalizer.buckets VALUES ('日本語', true, 4, 0, '2026-11-29 00:37:37.35341+00', NULL);
INSERT INTO equalizer.buckets VALUES ('managed-spent', true, 3, 4.000000067696928, '2026-11-29 00:37:37.50071+00', NULL);
INSERT INTO equalizer.buckets VALUES ('ip:127.0.0.1', false, 1, 97.00008511380695, '2026-11-29 00:37:37.701491+00', NULL);

INSERT INTO equalizer.schema_version VALUES (1, '2026-11-29 00:37:35.199907+00');
INSERT INTO equalizer.schema_version VALUES (2, '2026-11-29 00:37:35.45332+00');

INSERT INTO equalizer.settings OVERRIDING SYSTEM VALUE VALUES (1, 100, '1/1h');
INSERT INTO equalizer.settings OVERRIDING SYSTEM VALUE VALUES (2, 15, '1/1h');
INSERT INTO equalizer.settings OVERRIDING SYSTEM VALUE VALUES (3, 500, '1/30d');
INSERT INTO equalizer.settings OVERRIDING SYSTEM VALUE VALUES (4, 7, '7/14d');

INSERT INTO equalizer.writer VALUES (true, 1, 'ECQQTAZDBVFCI3XBA5NZLA6GPJ', 'host', 1, '2026-11-29 00:37:35+00', '1970-01-01 00:00:00.000001+00');

SELECT pg_catalog.setval('equalizer.blob_revisions', 1, true);

SELECT pg_catalog.setval('equalizer.settings_id_seq', 4, true);

ALTER TABLE ONLY equalizer.blob_locks
    ADD CONSTRAINT blob_locks_pkey PRIMARY KEY (name);

ALTER TABLE ONLY equalizer.blobs
    ADD CONSTRAINT blobs_pkey PRIMARY KEY (key);

ALTER TABLE ONLY equalizer.buckets
    ADD CONSTRAINT buckets_pkey PRIMARY KEY (client_id);

ALTER TABLE ONLY equalizer.schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (version);

ALTER TABLE ONLY equalizer.settings
    ADD CONSTRAINT settings_capacity_refill_key UNIQUE (capacity, refill);

ALTER TABLE ONLY equalizer.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (id);

ALTER TABLE ONLY equalizer.writer
    ADD CONSTRAINT writer_pkey PRIMARY KEY (only_row);

