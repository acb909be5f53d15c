//! What is measured of each engine.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Throughput, measurement::WallTime};
use serde_json::Value as Json;

use crate::record::Case;

/// An engine with the compiled policy and the records in the form in which it wants them.
pub trait Engine {
    /// Its name.
    const NAME: &'static str;
    /// What it gives.
    type Answer<'a>
    where
        Self: 'a;

    /// Decides on one of the records.
    fn decide(&mut self, nth: usize) -> Self::Answer<'_>;

    /// Decides on a record as it comes in: the engine makes of it what it wants to be given.
    fn decide_from(&mut self, record: &Json) -> Self::Answer<'_>;

    /// The team in an answer.
    fn team(answer: Self::Answer<'_>) -> String;
}

/// Ends the run where an engine answers otherwise than the records say.
pub fn check<E: Engine>(engine: &mut E, cases: &[Case]) {
    for (nth, case) in cases.iter().enumerate() {
        let team = E::team(engine.decide(nth));
        assert_eq!(team, case.team, "{} on record {nth}", E::NAME);
        let team = E::team(engine.decide_from(&case.json));
        assert_eq!(team, case.team, "{} from record {nth}", E::NAME);
    }
}

/// Measures decisions on all records, one after the other, from what each came in as.
pub fn measure_from<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>, engine: &mut E, cases: &[Case]) {
    group.throughput(Throughput::Elements(cases.len() as u64));
    group.bench_function(E::NAME, |bencher| {
        bencher.iter(|| {
            for case in cases {
                black_box(engine.decide_from(black_box(&case.json)));
            }
        });
    });
}

/// Measures decisions on all records, one after the other, which were prepared.
pub fn measure<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>, engine: &mut E, cases: usize) {
    group.throughput(Throughput::Elements(cases as u64));
    group.bench_function(E::NAME, |bencher| {
        bencher.iter(|| {
            for nth in 0..cases {
                black_box(engine.decide(black_box(nth)));
            }
        });
    });
}
