DROP TABLE policy_pin;
ALTER TABLE policy DROP COLUMN least_branch_coverage;
ALTER TABLE policy DROP COLUMN least_line_coverage;
