-- What the client of a bucket may spend before its next row is stored. NULL is nothing, and takes no room.
ALTER TABLE buckets ADD COLUMN reserved double precision;

-- From when on clients without a row have a full bucket, if the last batch that was written was a writer's last one, at
-- an orderly stop; NULL: it was not.
ALTER TABLE writer ADD COLUMN stopped timestamptz;
UPDATE writer SET stopped = 'epoch' WHERE epoch = 0;
