-- Settings are few: each distinct pair is one row, whose id the buckets carry. Nothing refers
-- to a row by a foreign key, whose check would cost each flushed bucket a query.
CREATE TABLE settings (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    capacity bigint NOT NULL,
    refill   text COLLATE "C" NOT NULL,
    UNIQUE (capacity, refill)
);

-- A flush changes the last two columns only. The free space of each page, and no index but the
-- primary key's, let the new version of a row go to its old version's page (a HOT update).
CREATE TABLE buckets (
    client_id   text COLLATE "C" PRIMARY KEY,
    managed     boolean NOT NULL,
    settings_id integer NOT NULL,
    tokens      double precision NOT NULL,
    counted_at  timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- The one row of the one writer. Each connection of a writer adds 1 to the epoch before it
-- writes; each transaction that writes holds a share lock on the row, and checks the epoch.
CREATE TABLE writer (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch    bigint NOT NULL,
    instance text NOT NULL,
    host     text NOT NULL,
    pid      integer NOT NULL,
    since    timestamptz NOT NULL
);
INSERT INTO writer (epoch, instance, host, pid, since) VALUES (0, '', '', 0, now());
