//! Writing a table: looked at with what is live, then stored and told of.
//!
//! **Invariant:** a table that would break a policy that is live is not written, whatever brings it.

use serde_json::{Value as Json, json};

use super::{
    check::{Checked, Finding, refuse_errors},
    impact::impact,
};
use crate::{
    error::{Code, Error, Result},
    policy::{
        live::{AsOf, Live, Policies},
        store::TableRow,
    },
    record::store::Desk,
};

/// A table that may be written: nothing is wrong with it, and no policy that is live breaks by it.
#[derive(Debug)]
pub struct Examined {
    checked: Checked,
    findings: Vec<Finding>,
    /// The version in whose place it comes.
    before: Option<i32>,
    as_of: AsOf,
}

impl Examined {
    /// Looks at a table that is to come in the place of `old`. Call it on a thread with an ample stack.
    ///
    /// # Errors
    /// Everything that keeps it from being stored, with its places.
    pub fn of(
        policies: &Policies,
        live: &Live,
        name: &str,
        old: Option<&TableRow>,
        content: &Json,
    ) -> Result<Examined> {
        let checked = Checked::from_json(name, content)?;
        let impact = impact(live, &policies.host(live), &checked.table);
        refuse_errors(&impact)?;
        let findings = checked.findings.iter().cloned().chain(impact).collect();
        Ok(Examined { checked, findings, before: old.map(|row| row.version), as_of: live.as_of() })
    }

    /// The name of the table.
    pub fn name(&self) -> &str {
        self.checked.table.name()
    }

    /// What its author should know.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Writes it, and tells the audit trail.
    ///
    /// # Errors
    /// The table is not the one any more in whose place it was to come, or a policy has changed meanwhile.
    pub fn save(&self, desk: &mut Desk<'_, '_>, old: Option<&TableRow>, action: &str) -> Result<TableRow> {
        if old.map(|row| row.version) != self.before {
            return Err(Error::new(Code::Stale, "The table has changed meanwhile."));
        }
        self.as_of.must_be_now(desk.unit.connection()?)?;
        let (author, at) = (Some(desk.cause.caller.user), desk.cause.at);
        let row = TableRow::save(desk.unit.connection()?, &self.checked, author, at)?;
        let told = json!({
            "version": [old.map(|o| o.version), row.version],
            "sha256": [old.map(|o| &o.sha256), row.sha256],
        });
        desk.tell(action, ("lookup_table", row.id.as_str(), row.version), &told)?;
        Ok(row)
    }
}
