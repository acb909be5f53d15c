//! Publishing while decisions are made: how long it takes, and whether any decision waits for it.

use std::{
    hint::black_box,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
    id::RowId,
    policy::{
        build::Uses,
        chain,
        decision::Decision,
        live::Policies,
        runner::on_ample_stack,
        store::{PolicyRow, Written},
    },
};

use crate::{
    ours::{self, SOURCE},
    record::Case,
};

/// For how long decisions are made, each time.
const LONG: Duration = Duration::from_secs(3);

/// What decisions came to in that time.
pub struct Decisions {
    /// How long each took, the fastest first.
    took: Vec<Duration>,
    /// How often the thread that made them waited for anything; nothing where the system does not tell.
    pub waits: Option<u64>,
}

impl Decisions {
    /// How many were made.
    pub fn count(&self) -> usize {
        self.took.len()
    }
    /// How long the one took that this share of them was faster than.
    pub fn at(&self, share: f64) -> Duration {
        self.took[((self.took.len() - 1) as f64 * share) as usize]
    }
}

/// What was measured.
pub struct Measured {
    /// Decisions while nothing else happens.
    pub alone: Decisions,
    /// Decisions while another thread publishes without a break.
    pub beside: Decisions,
    /// How long each publication took: stored, read again, compiled and swapped.
    pub published: Vec<Duration>,
}

/// Measures with a store of its own.
pub fn measure(cases: &[Case]) -> Measured {
    let folder = std::env::temp_dir().join(format!("pointsman-engines-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(format!("sqlite://{}", folder.join("pointsman.db").display()));
    let assembly = Assembly::open(config, Clock::System).unwrap();
    let mut policy = stored(&assembly);
    let alone = decisions(&assembly.policies, cases, &AtomicBool::new(false), &Barrier::new(1));
    let (over, begin) = (AtomicBool::new(false), Barrier::new(2));
    let (beside, published) = thread::scope(|scope| {
        let publishing = scope.spawn(|| on_ample_stack(|| publish(&assembly, &mut policy, &over, &begin)).unwrap());
        let beside = decisions(&assembly.policies, cases, &over, &begin);
        (beside, publishing.join().unwrap())
    });
    drop(assembly);
    std::fs::remove_dir_all(&folder).unwrap();
    Measured { alone, beside, published }
}

/// The policy with two versions of the same length, the first of them live.
fn stored(assembly: &Assembly) -> PolicyRow {
    let (mut connection, now) = (assembly.database.connect().unwrap(), assembly.clock.now());
    let mut policy = PolicyRow {
        id: RowId::new(),
        name: "the-one-that-is-measured".to_owned(),
        decision: "routing".to_owned(),
        kind: "incident".to_owned(),
        description: String::new(),
        position: 0,
        enabled: true,
        active_version: None,
        version: 1,
        created_at: now,
        updated_at: now,
        least_line_coverage: None,
        least_branch_coverage: None,
    };
    policy.insert(&mut connection).unwrap();
    let second = SOURCE.replace("urgency <= 2", "urgency < 3");
    for source in [SOURCE, &second] {
        let written = Written { source, message: "", author: None, uses: Uses::default() };
        policy.add_version(&mut connection, &written, now).unwrap();
    }
    on_ample_stack(|| activate(assembly, &mut policy, 1)).unwrap();
    policy
}

/// Makes a version live in the store and on this node, as whoever publishes does.
fn activate(assembly: &Assembly, policy: &mut PolicyRow, number: i32) {
    let mut connection = assembly.database.connect().unwrap();
    policy.activate(&mut connection, number, assembly.clock.now()).unwrap();
    assembly.policies.expire();
    let live = assembly.policies.current(&mut connection).unwrap();
    let is_live = live.bundle().policies(Decision::Routing, "incident").iter().any(|p| p.active.number == i64::from(number));
    assert!(is_live, "version {number} is live");
}

fn publish(assembly: &Assembly, policy: &mut PolicyRow, over: &AtomicBool, begin: &Barrier) -> Vec<Duration> {
    let mut took = Vec::new();
    begin.wait();
    while !over.load(Ordering::Relaxed) {
        let number = if policy.active_version == Some(1) { 2 } else { 1 };
        let began = Instant::now();
        activate(assembly, policy, number);
        took.push(began.elapsed());
    }
    took
}

/// Decides by what is live on this node, again and again.
fn decisions(policies: &Arc<Policies>, cases: &[Case], over: &AtomicBool, begin: &Barrier) -> Decisions {
    let (inputs, host) = (ours::inputs(cases), ours::host());
    let work = || {
        let mut took = Vec::with_capacity(8_000_000);
        let decide = |nth: usize| {
            let live = policies.known();
            chain::decide(live.bundle(), Decision::Routing, &inputs[nth % inputs.len()], &host)
        };
        (0..1_000).for_each(|nth| drop(black_box(decide(nth))));
        begin.wait();
        let (waited, started) = (waits(), Instant::now());
        while started.elapsed() < LONG && took.len() < took.capacity() {
            let began = Instant::now();
            black_box(decide(took.len()));
            took.push(began.elapsed());
        }
        let waits = waits().zip(waited).map(|(after, before)| after - before);
        over.store(true, Ordering::Relaxed);
        took.sort_unstable();
        Decisions { took, waits }
    };
    on_ample_stack(work).unwrap()
}

/// How often this thread gave its processor away because it waited for something.
fn waits() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok())
}
