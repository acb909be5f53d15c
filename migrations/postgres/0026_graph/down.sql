DROP TABLE relation;
DROP TABLE redundancy_group;
DROP TABLE relation_type;
DELETE FROM setting WHERE name = 'graph_epoch';
