//! A back-test against bare evaluation of the same inputs.

use std::{collections::BTreeMap, sync::Arc};

use pointsman::{
    db::JsonText,
    id::{RecordId, RowId},
    policy::{
        back_test::{
            asked::{Asked, Pin},
            history::{Case, Place},
            judge::{CANDIDATE, Judge},
            report::BackTestReport,
        },
        chain::{ActivePolicy, Bundle, Version},
        decision::Decision,
        facts,
    },
};

use crate::{
    ours::{self, SOURCE},
    record,
};

/// A thread of a back-test: it reads each input from the text that was logged, asks what was live and the candidate, compares
/// what they come to, and counts.
pub struct Rehearsal {
    asked: Asked,
    judge: Judge,
    cases: Vec<Case>,
}

impl Rehearsal {
    /// Of a candidate that is as the live one, on all records.
    pub fn new(cases: &[record::Case]) -> Rehearsal {
        let pin = Pin { id: RowId::new(), name: "routing".to_owned(), version: 2 };
        let asked = Asked {
            decision: Decision::Routing,
            kind: "incident".to_owned(),
            candidate: pin.clone(),
            live: vec![Pin { version: 1, ..pin.clone() }],
            tables: Vec::new(),
            from: None,
            until: None,
            resolve_within: BTreeMap::new(),
            before: 0,
        };
        let version = |number| Version::new(number, Arc::new(ours::compiled()));
        let tried = |number, mode| ActivePolicy::tried(pin.id.to_string(), &pin.name, version(number), mode);
        let before = Bundle::new([Arc::new(tried(1, "live"))]);
        let after = before.rehearsal_with(tried(2, CANDIDATE), 0);
        let judge = Judge::new(&asked, before, after, ours::host(), facts::Schemas::shipped().first().clone());
        let case = |input| Case {
            place: Place { at: ours::now(), id: RowId::new() },
            record: RecordId::new(),
            input: JsonText::of(input).unwrap(),
            resolved_after: None,
        };
        let inputs = ours::inputs(cases);
        Rehearsal { asked, judge, cases: inputs.iter().map(case).collect() }
    }

    /// Decides on every record, twice, and counts.
    pub fn go_through(&self) -> BackTestReport {
        let mut report = BackTestReport::new(&self.judge);
        for case in &self.cases {
            report.add(&self.asked, case, &self.judge.judge(case));
        }
        report
    }

    /// Ends the run where it does not come to what it must.
    pub fn check(&self) {
        let report = self.go_through();
        assert_eq!((report.same, report.errors, report.unreadable), (self.cases.len() as u64, 0, 0));
        assert!(SOURCE.matches("rule ").count() >= report.rules.len());
    }
}
