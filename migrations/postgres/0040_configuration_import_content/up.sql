-- What an import says, beside its job: it may be large, and those who follow the job need nothing of it.
CREATE TABLE configuration_import_content (
    job_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES job (id),
    content TEXT COLLATE "C" NOT NULL
);
