//! What authors should know of tables, kept in memory: to work it out takes long for some tables, and it follows from their content.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    error::Result,
    policy::{
        store::TableRow,
        table::check::{Finding, findings},
    },
};

/// Of how many contents it is kept.
const MOST: usize = 256;

/// Findings by the SHA-256 of the content.
#[derive(Clone, Debug, Default)]
pub struct KnownFindings(Arc<Mutex<HashMap<String, Arc<[Finding]>>>>);

impl KnownFindings {
    /// The findings about a table. Call it where it may take a while.
    pub(super) fn of(&self, row: &TableRow) -> Result<Arc<[Finding]>> {
        if let Some(known) = self.with(|known| known.get(&row.sha256).cloned()) {
            return Ok(known);
        }
        let found: Arc<[Finding]> = findings(&row.table()?).into();
        self.with(|known| {
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(row.sha256.clone(), found.clone());
        });
        Ok(found)
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Arc<[Finding]>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{clock::Clock, db::JsonText, id::RowId, policy::store::sha256};

    fn row(content: &serde_json::Value) -> TableRow {
        let (sha256, content) = (sha256(&content.to_string()), JsonText::of(content).unwrap());
        let (name, now) = ("t".to_owned(), Clock::System.now());
        let description = String::new();
        TableRow { id: RowId::new(), name, description, content, sha256, version: 1, created_at: now, updated_at: now }
    }

    fn table(first: usize) -> serde_json::Value {
        let columns = json!([{"name": "n", "type": "int", "match": "range"}, {"name": "team", "type": "text"}]);
        json!({"keys": 1, "columns": columns, "rows": [[format!("{first}..{}", first + 1), "a"], ["9000..9001", "b"]]})
    }

    #[test]
    fn the_same_content_is_looked_through_once_and_not_all_is_kept() {
        let known = KnownFindings::default();
        let first = known.of(&row(&table(0))).unwrap();
        assert_eq!(first.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["gap"]);
        assert!(Arc::ptr_eq(&first, &known.of(&row(&table(0))).unwrap()));
        for n in 0..=MOST {
            known.of(&row(&table(n))).unwrap();
            assert!(known.with(|known| known.len()) <= MOST);
        }
    }
}
