-- What becomes of a thing that a source no longer finds, and whether it can say that a field holds nothing.
ALTER TABLE data_source ADD COLUMN missing TEXT COLLATE "C" NOT NULL DEFAULT 'report';
ALTER TABLE data_source ADD COLUMN empty TEXT COLLATE "C" NOT NULL DEFAULT 'keep';
