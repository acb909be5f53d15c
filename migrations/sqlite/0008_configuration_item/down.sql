DROP TABLE configuration_item;
