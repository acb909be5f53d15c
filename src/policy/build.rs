//! What a version of a policy is pinned to, beside its source: it never changes, so that what was checked is what runs.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    chain::Version,
    decision::Decision,
    diagnostic::Diagnostic,
    host::{Host, WithTables},
    module::Linked,
    program::compile,
    table::Table,
};

/// Lookup tables by name.
pub type Tables = HashMap<String, Arc<Table>>;

/// The versions of what a policy uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Uses {
    /// The version of each module that it uses, by name: the newest when the policy was written.
    pub modules: BTreeMap<String, i32>,
    /// The version of each lookup table that it is pinned to, by name. A table that is not here is looked into as it is at
    /// the moment of the decision.
    pub tables: BTreeMap<String, i32>,
}

/// A source with what it is pinned to.
#[derive(Clone)]
pub struct Build {
    /// The script with its modules.
    pub script: Linked,
    /// The tables that it looks into whatever they say later.
    pub tables: Arc<Tables>,
}

impl Build {
    /// Compiled. Call it on a thread with an ample stack (see `policy::runner`).
    ///
    /// # Errors
    /// The problems that keep it from compiling.
    pub fn compiled(&self, number: i64, decision: Decision) -> Result<Version, Vec<Diagnostic>> {
        let program = Arc::new(compile(self.script.clone(), decision)?);
        Ok(Version { number, program, tables: self.tables.clone() })
    }

    /// A host that answers with the tables that it is pinned to.
    pub fn host(&self, host: &Arc<dyn Host>) -> Arc<dyn Host> {
        WithTables::over(host, &self.tables).into_owned()
    }
}
