-- What a reload has changed while the last writer was at work.
ALTER TABLE namespaces ADD COLUMN strict boolean NOT NULL DEFAULT false; -- that writer reserves what it hands out
ALTER TABLE namespaces ADD COLUMN renumbered text COLLATE "C" NOT NULL DEFAULT '[]'; -- limiter.Renumbered, as JSON
