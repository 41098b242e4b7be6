-- A namespace is a limit with one way to make client_ids. The rows that there are belong to one that
-- has no name yet: the program gives it that of a limit.
CREATE TABLE namespaces (
    id          integer PRIMARY KEY,
    limit_name  text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    stopped     timestamptz, -- as it was in the table writer, for this limit
    left_at     timestamptz  -- when a start first missed the limit; NULL: the last one had it
);
INSERT INTO namespaces (id, limit_name, fingerprint, stopped) SELECT 1, '', '', stopped FROM writer WHERE epoch > 0;
ALTER TABLE writer DROP COLUMN stopped;

ALTER TABLE buckets ADD COLUMN namespace integer NOT NULL DEFAULT 1;
ALTER TABLE buckets ALTER COLUMN namespace DROP DEFAULT;
ALTER TABLE buckets ADD COLUMN tier text COLLATE "C"; -- NULL, as of most, takes no room
ALTER TABLE buckets DROP CONSTRAINT buckets_pkey, ADD PRIMARY KEY (namespace, client_id);

-- How the tokens come back: 0 is at a rate, 1 at the end of a window.
ALTER TABLE settings ADD COLUMN kind smallint NOT NULL DEFAULT 0;
ALTER TABLE settings DROP CONSTRAINT settings_capacity_refill_key, ADD UNIQUE (capacity, refill, kind);
