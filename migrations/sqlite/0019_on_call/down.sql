DROP TABLE on_call_override;
DROP TABLE on_call_schedule;
