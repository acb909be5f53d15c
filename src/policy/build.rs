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
    program::{Program, compile},
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

    /// The same of a version that was stored, which fails whenever it is asked where it does not compile any more: nobody takes it for one
    /// that has nothing to say.
    pub fn stored(&self, number: i64, (decision, kind): (Decision, &str), name: &str) -> Version {
        self.compiled(number, decision).unwrap_or_else(|problems| {
            tracing::error!(policy = name, version = number, ?problems, "a stored policy does not compile");
            let kind = decision.kinds().find(|known| *known == kind).unwrap_or_else(|| decision.first_kind());
            let program = Arc::new(Program::broken(self.script.clone(), decision, kind, &problems));
            Version { number, program, tables: self.tables.clone() }
        })
    }

    /// A host that answers with the tables that it is pinned to.
    pub fn host(&self, host: &Arc<dyn Host>) -> Arc<dyn Host> {
        WithTables::over(host, &self.tables).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{
        chain::{ActivePolicy, Bundle, decide},
        decision::{DECISIONS, Effect},
        diagnostic::UNCOMPILED,
        evaluate::Input,
        facts::{self, Schemas},
        functions::test_clock,
        host::Offline,
        runner::on_ample_stack,
    };

    #[test]
    fn what_does_not_compile_any_more_fails_in_its_place() {
        on_ample_stack(|| {
            for spec in DECISIONS {
                let kind = spec.decision.first_kind();
                let build = Build { script: Linked::alone("fn { lost"), tables: Arc::default() };
                let version = build.stored(7, (spec.decision, kind), "lost");
                let bundle = Bundle::new([Arc::new(ActivePolicy::new("id", "lost", version, None))]);
                let host: Arc<dyn Host> = Arc::new(Offline::default());
                let beside = spec.beside().and_then(facts::beside).map(|schema| schema.made_up());
                let input = Input { beside, ..Input::new(Schemas::shipped().of(kind).made_up(), test_clock()) };
                let verdict = decide(&bundle, spec.decision, &input, &host);
                assert_eq!(verdict.fallback, Some(spec.fallback), "{}", spec.name);
                let error = verdict.runs[0].evaluation.error.as_ref().unwrap();
                assert_eq!((error.code.as_str(), error.line), (UNCOMPILED, 1), "{}", error.message);
                let refuses = verdict.said().any(|said| matches!(said, Effect::Refuse { .. }));
                assert_eq!(refuses, spec.name == "guard");
            }
        })
        .unwrap();
    }
}
