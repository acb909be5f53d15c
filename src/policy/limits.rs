//! What one run of a script may use: steps, time and memory.
//!
//! Rhai's own operation count is lost in callbacks of `map`, `filter` and `sort`, and bounds neither time nor memory. So
//! each run has a budget of this thread, which `on_progress` draws on.
//!
//! **Invariant:** a run that is over any part of its budget ends at its next step, whatever the script does with errors.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use alloc_metrics::{MetricAlloc, thread_metrics};
use cpu_time::ThreadTime;
use mimalloc::MiMalloc;
use rhai::Dynamic;

/// Counts the bytes that each thread holds.
#[global_allocator]
static ALLOCATOR: MetricAlloc<MiMalloc> = MetricAlloc::new(MiMalloc);

/// The longest source, in bytes, that is compiled at all.
pub const MAX_SOURCE: usize = 32 * 1024;

/// How much one run may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Steps, callbacks included.
    pub steps: u64,
    /// Time of the processor: a sound script must not fail because the machine was busy elsewhere.
    pub time: Duration,
    /// Bytes held at a step beyond those held at the start.
    pub memory: isize,
}

/// For a decision on a record.
pub const LIVE: Limits = Limits { steps: 50_000, time: Duration::from_millis(50), memory: 4 << 20 };
/// For one `test_*` function, which may ask for several decisions.
pub const TEST: Limits = Limits { steps: 250_000, time: Duration::from_millis(250), memory: 16 << 20 };

/// How many steps pass between two looks at the clock.
const CLOCK_EVERY: u64 = 16;

/// How many times its time a run may last by the clock on the wall: look-ups in the store are waited for.
const PATIENCE: u32 = 20;

#[derive(Clone, Copy)]
struct Budget {
    limits: Limits,
    used: u64,
    over: bool,
    /// Before this moment the run can't have used its time; asking the processor costs more than looking at the clock.
    earliest: Instant,
    /// After this moment the run is over, whatever it waited for.
    latest: Instant,
    started: ThreadTime,
    memory_ceiling: isize,
}

thread_local! {
    static BUDGET: Cell<Option<Budget>> = const { Cell::new(None) };
}

/// The budget of the run on this thread; the run around it, if any, gets its own back when this is dropped.
pub struct Running {
    outer: Option<Budget>,
}

impl Running {
    /// Starts a run.
    pub fn start(limits: Limits) -> Running {
        let budget = Budget {
            limits,
            used: 0,
            over: false,
            earliest: Instant::now() + limits.time,
            latest: Instant::now() + limits.time * PATIENCE,
            started: ThreadTime::now(),
            memory_ceiling: thread_metrics().allocated_bytes.saturating_add(limits.memory),
        };
        Running { outer: BUDGET.replace(Some(budget)) }
    }
    /// Steps so far.
    pub fn steps(&self) -> u64 {
        BUDGET.get().map_or(0, |b| b.used)
    }
    /// Whether the run was told to end. Some of Rhai's functions, such as `sort`, lose the error of a callback.
    pub fn was_stopped(&self) -> bool {
        BUDGET.get().is_some_and(|b| b.over)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        BUDGET.set(self.outer);
    }
}

/// Takes one step. Says why the run must end, if it must.
pub fn step(_operations: u64) -> Option<Dynamic> {
    let Some(mut budget) = BUDGET.get() else {
        // Nothing is run without a budget; if it were, it would end here.
        return Some("the script runs without a budget".into());
    };
    budget.used += 1;
    let why = budget.exceeded();
    budget.over |= why.is_some();
    BUDGET.set(Some(budget));
    why.map(Into::into)
}

impl Budget {
    /// Which limit is exceeded, if one is.
    fn exceeded(&self) -> Option<String> {
        let limits = self.limits;
        if self.used > limits.steps {
            return Some(format!("it takes more than {} steps", limits.steps));
        }
        if thread_metrics().allocated_bytes > self.memory_ceiling {
            return Some(format!("it holds more than {} KiB of memory", limits.memory / 1024));
        }
        let late = || {
            let now = Instant::now();
            now > self.earliest && (now > self.latest || self.started.elapsed() > limits.time)
        };
        let late = self.over || self.used.is_multiple_of(CLOCK_EVERY) && late();
        late.then(|| format!("it takes longer than {} ms", limits.time.as_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(limits: Limits, between: impl FnOnce()) -> Option<String> {
        let running = Running::start(limits);
        assert!(step(0).is_none());
        between();
        let why = (0..CLOCK_EVERY).find_map(|_| step(0)).map(|w| w.to_string());
        assert_eq!(running.was_stopped(), why.is_some());
        why
    }

    #[test]
    fn each_limit_ends_a_run() {
        let mut held = Vec::new();
        let few = Limits { steps: 10, ..LIVE };
        let small = Limits { memory: 64 << 10, ..LIVE };
        let short = Limits { time: Duration::from_millis(1), ..LIVE };
        assert_eq!(why(few, || ()).unwrap(), "it takes more than 10 steps");
        assert_eq!(why(small, || held.resize(1 << 20, 0_u8)).unwrap(), "it holds more than 64 KiB of memory");
        let begun = ThreadTime::now();
        let work = || while begun.elapsed() < short.time * 2 {};
        assert_eq!(why(short, work).unwrap(), "it takes longer than 1 ms");
        assert_eq!(why(short, || std::thread::sleep(short.time * 2)), None, "waiting is not working");
        assert_eq!(why(LIVE, || drop(vec![0_u8; 1 << 20])), None);
    }

    #[test]
    fn a_run_inside_a_run_has_its_own_budget_and_gives_the_outer_one_back() {
        let outer = Running::start(LIVE);
        step(0);
        let inner = Running::start(LIVE);
        assert_eq!(inner.steps(), 0);
        drop(inner);
        assert_eq!(outer.steps(), 1);
        drop(outer);
        assert!(step(0).is_some(), "nothing runs without a budget");
    }
}
