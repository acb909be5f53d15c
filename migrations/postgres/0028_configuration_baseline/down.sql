DROP TABLE compliance_rule;
DROP TABLE configuration_baseline_item;
DROP TABLE configuration_baseline;
