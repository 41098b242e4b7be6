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

-- What replicas hold of a bucket, four numbers each: the replica's id, its tokens, the round that told of them last,
-- and what that one was granted. NULL: nobody holds anything. A round changes columns of no index.
ALTER TABLE buckets ADD COLUMN leases bigint[];

-- Whether the last who raised the epoch was a replica. The name is then that of the first one.
ALTER TABLE writer ADD COLUMN shared boolean NOT NULL DEFAULT false;
