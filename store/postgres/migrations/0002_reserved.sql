-- What the client of a bucket may spend before its next row is stored. NULL is nothing, and takes no room.
ALTER TABLE buckets ADD COLUMN reserved double precision;

-- Whether the last batch that was written was a writer's last one, at an orderly stop.
ALTER TABLE writer ADD COLUMN stopped boolean NOT NULL DEFAULT false;
UPDATE writer SET stopped = true WHERE epoch = 0;
