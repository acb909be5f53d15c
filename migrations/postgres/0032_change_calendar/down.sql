DROP TABLE unauthorised_change;
DROP INDEX record_by_plan;
DROP TABLE change_window;
