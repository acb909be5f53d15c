//! A table as a file, in one layout: a line for each column and each row, so that a change of a row is a change of a line.

use serde::Serialize;

use super::Table;
use crate::error::{Error, Result};

impl Table {
    /// As a file of JSON.
    ///
    /// # Errors
    /// None but for want of memory.
    pub fn laid_out(&self) -> Result<String> {
        let mut text = "{\n".to_owned();
        if !self.doc.is_empty() {
            text += &format!("  \"doc\": {},\n", json(&self.doc)?);
        }
        text += &format!("  \"keys\": {},\n", self.head.keys);
        let columns = self.head.columns.iter().map(|column| {
            let fields = serde_json::to_value(column).map_err(Error::internal)?;
            let fields = fields.as_object().into_iter().flatten().map(|(name, value)| format!("\"{name}\": {value}"));
            Ok(format!("{{ {} }}", fields.collect::<Vec<_>>().join(", ")))
        });
        text += &list("columns", columns)?;
        text += ",\n";
        let rows = self.rows.iter().map(|row| {
            let cells = row.iter().map(json).collect::<Result<Vec<_>>>()?;
            Ok(format!("[{}]", cells.join(", ")))
        });
        text += &list("rows", rows)?;
        Ok(text + "\n}\n")
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

/// A list with a line for each of its items.
fn list(name: &str, items: impl Iterator<Item = Result<String>>) -> Result<String> {
    let lines = items.map(|item| Ok(format!("\n    {}", item?))).collect::<Result<Vec<_>>>()?;
    let end = if lines.is_empty() { "" } else { "\n  " };
    Ok(format!("  \"{name}\": [{}{end}]", lines.join(",")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_laid_out_reads_as_it_was() {
        let content = json!({
            "doc": "Who \"is\" on duty\n", "keys": 2,
            "columns": [
                {"name": "site", "type": "text", "match": "exact"}, {"name": "hour", "type": "int", "match": "range"},
                {"name": "cost", "type": "decimal"},
            ],
            "rows": [["*", " 8 .. 17 ", 1.5], ["n\\\"", 7, "2"]],
        });
        let table = Table::from_json("t", &content).unwrap();
        let text = table.laid_out().unwrap();
        assert_eq!(
            text,
            concat!(
                "{\n  \"doc\": \"Who \\\"is\\\" on duty\\n\",\n  \"keys\": 2,\n  \"columns\": [\n",
                "    { \"name\": \"site\", \"type\": \"text\", \"match\": \"exact\" },\n",
                "    { \"name\": \"hour\", \"type\": \"int\", \"match\": \"range\" },\n",
                "    { \"name\": \"cost\", \"type\": \"decimal\" }\n  ],\n",
                "  \"rows\": [\n    [\"*\", \"8..17\", \"1.5\"],\n    [\"n\\\\\\\"\", 7, \"2\"]\n  ]\n}\n",
            )
        );
        let again = Table::from_json("t", &serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!((again.to_json(), again.laid_out().unwrap()), (table.to_json(), text));
    }

    #[test]
    fn a_table_without_doc_and_rows_is_short() {
        let columns = json!([{"name": "a", "type": "text"}, {"name": "b", "type": "text"}]);
        let table = Table::from_json("t", &json!({"keys": 1, "columns": columns, "rows": []})).unwrap();
        assert!(table.laid_out().unwrap().ends_with("  ],\n  \"rows\": []\n}\n"));
        assert!(table.laid_out().unwrap().starts_with("{\n  \"keys\": 1,\n"));
    }
}
