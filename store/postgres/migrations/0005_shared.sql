-- Replicas are processes that share the schema: see limiter/lease. Their buckets' tokens are what nobody holds.
CREATE TABLE replicas (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text COLLATE "C" NOT NULL,
    life    text NOT NULL, -- random, and the same in all calls of a replica
    host    text NOT NULL,
    pid     integer NOT NULL,
    since   timestamptz NOT NULL,
    expires timestamptz NOT NULL,
    seq     bigint NOT NULL DEFAULT 0, -- of the last round that was stored
    died_at timestamptz -- NULL: it is alive
);
CREATE UNIQUE INDEX replicas_alive ON replicas (name) WHERE died_at IS NULL;

-- What a replica holds of a bucket; no row if that is nothing. A round changes columns of no index.
CREATE TABLE leases (
    namespace integer NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    replica   bigint NOT NULL,
    held      bigint NOT NULL,
    seq       bigint NOT NULL, -- the round that changed it last, and
    granted   bigint NOT NULL, -- what that one was granted
    PRIMARY KEY (namespace, client_id, replica)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- Whether the last who raised the epoch was a replica. The name is then that of the first one.
ALTER TABLE writer ADD COLUMN shared boolean NOT NULL DEFAULT false;
