DROP TABLE decision;
DROP TABLE lookup_table_version;
DROP TABLE lookup_table;
DROP TABLE policy_version;
DROP TABLE policy;
