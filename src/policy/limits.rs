//! What one run of a script may use, steps, time and memory, and what it may leave in the decision log.
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

/// Look-ups that one run may leave in the decision log.
pub const MAX_LOOKED_UP: usize = 200;
/// Effects that one run may say.
pub const MAX_SAID: usize = 100;
/// Rules that one run may try.
pub const MAX_TRIED: usize = 200;
/// Bytes that the look-ups and effects of one run may hold together.
pub const MAX_LEFT: usize = 64 << 10;
/// The longest name or condition of a rule, and the longest message of an error, that the log keeps, in bytes.
pub const MAX_SHOWN: usize = 600;

/// How many steps pass between two looks at the clock.
const CLOCK_EVERY: u64 = 32;

/// For how long a thread goes without asking for the time that it has used of the processor, which costs as much as a short run.
/// What it used meanwhile counts against the run: it may have so much less than its time, and never more.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// How many times its time a run may last by the clock on the wall: look-ups in the store are waited for.
const PATIENCE: u32 = 20;

#[derive(Clone, Copy)]
struct Budget {
    limits: Limits,
    /// What it went over.
    over: Option<Over>,
    /// Before this moment the run can't have used its time; asking the processor costs more than looking at the clock.
    earliest: Instant,
    /// After this moment the run is over, whatever it waited for.
    latest: Instant,
    started: ThreadTime,
}

/// What a thread's run has used. Every step looks at it, so that most steps look at nothing else.
struct Meter {
    /// Steps so far.
    used: Cell<u64>,
    /// The step at which more is to be looked at than memory: the clock, the number of steps, or why the run must end.
    look_at: Cell<u64>,
    memory_ceiling: Cell<isize>,
    /// Nothing while nothing runs.
    budget: Cell<Option<Budget>>,
    /// What this thread had used of the processor when it last asked, and when that was.
    asked: Cell<Option<(Instant, ThreadTime)>>,
}

thread_local! {
    static METER: Meter = const {
        // Nothing is run without a budget: the first step would look for one.
        Meter {
            used: Cell::new(0),
            look_at: Cell::new(0),
            memory_ceiling: Cell::new(0),
            budget: Cell::new(None),
            asked: Cell::new(None),
        }
    };
}

/// What a meter shows.
#[derive(Clone, Copy)]
struct Shown {
    used: u64,
    memory_ceiling: isize,
    budget: Option<Budget>,
}

impl Meter {
    /// Sets it to this; the next step looks at everything.
    fn set(&self, to: Shown) {
        self.used.set(to.used);
        self.look_at.set(0);
        self.memory_ceiling.set(to.memory_ceiling);
        self.budget.set(to.budget);
    }
    /// What this thread has used of the processor by now, or a little before.
    fn time_used(&self, now: Instant) -> ThreadTime {
        if let Some((_, used)) = self.asked.get().filter(|(at, _)| now.duration_since(*at) < ASK_EVERY) {
            return used;
        }
        let used = ThreadTime::now();
        self.asked.set(Some((now, used)));
        used
    }
    fn shown(&self) -> Shown {
        Shown { used: self.used.get(), memory_ceiling: self.memory_ceiling.get(), budget: self.budget.get() }
    }
}

/// The budget of the run on this thread; the run around it, if any, gets its own back when this is dropped.
pub struct Running {
    began: Instant,
    outer: Shown,
}

impl Running {
    /// Starts a run.
    pub fn start(limits: Limits) -> Running {
        let memory_ceiling = thread_metrics().allocated_bytes.saturating_add(limits.memory);
        METER.with(|meter| {
            let (outer, now) = (meter.shown(), Instant::now());
            let (earliest, latest) = (now + limits.time, now + limits.time * PATIENCE);
            let budget = Budget { limits, over: None, earliest, latest, started: meter.time_used(now) };
            meter.set(Shown { used: 0, memory_ceiling, budget: Some(budget) });
            meter.look_at.set(limits.next_look(0));
            Running { began: now, outer }
        })
    }
    /// Steps so far.
    pub fn steps(&self) -> u64 {
        METER.with(|meter| meter.used.get())
    }
    /// Microseconds so far.
    pub fn microseconds(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
    /// Why the run was told to end, if it was. Some of Rhai's functions, such as `sort`, lose the error of a callback.
    pub fn was_stopped(&self) -> Option<String> {
        METER.with(|meter| meter.budget.get()).and_then(|budget| Some(budget.over?.why(budget.limits)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let outer = self.outer;
        // Its steps are steps of the run around it, which looks at the clock at its next one.
        METER.with(|meter| meter.set(Shown { used: outer.used + meter.used.get(), ..outer }));
    }
}

impl Limits {
    /// The step after `used` ones at which more is to be looked at than memory.
    fn next_look(self, used: u64) -> u64 {
        (used + CLOCK_EVERY).min(self.steps + 1)
    }
}

/// What a run can go over.
#[derive(Clone, Copy, Debug)]
pub enum Over {
    /// Steps.
    Steps,
    /// Time.
    Time,
    /// Memory.
    Memory,
    /// [`MAX_LOOKED_UP`]
    LookedUp,
    /// [`MAX_SAID`]
    Said,
    /// [`MAX_TRIED`]
    Tried,
    /// [`MAX_LEFT`]
    Left,
}

impl Over {
    fn why(self, limits: Limits) -> String {
        let what = match self {
            Over::Steps => format!("takes more than {} steps", limits.steps),
            Over::Time => format!("takes longer than {} ms", limits.time.as_millis()),
            Over::Memory => format!("holds more than {} KiB of memory", limits.memory / 1024),
            Over::LookedUp => format!("looks up more than {MAX_LOOKED_UP} things"),
            Over::Said => format!("says more than {MAX_SAID} things"),
            Over::Tried => format!("tries more than {MAX_TRIED} rules"),
            Over::Left => format!("looks up and says more than {} KiB", MAX_LEFT / 1024),
        };
        format!("the script was stopped: it {what}")
    }
}

/// Tells the run of this thread to end, and says why.
pub fn stop(over: Over) -> String {
    METER.with(|meter| {
        let budget = meter.budget.get();
        meter.budget.set(budget.map(|budget| Budget { over: Some(over), ..budget }));
        meter.look_at.set(0);
        over.why(budget.map_or(LIVE, |budget| budget.limits))
    })
}

/// Takes one step. Says why the run must end, if it must.
pub fn step(_operations: u64) -> Option<Dynamic> {
    METER.with(|meter| {
        let used = meter.used.get() + 1;
        meter.used.set(used);
        if used < meter.look_at.get() && thread_metrics().allocated_bytes <= meter.memory_ceiling.get() {
            return None;
        }
        meter.look(used)
    })
}

impl Meter {
    /// Looks at everything.
    #[cold]
    fn look(&self, used: u64) -> Option<Dynamic> {
        let Some(mut budget) = self.budget.get() else {
            // Nothing is run without a budget; if it were, it would end here.
            return Some("the script runs without a budget".into());
        };
        let is_late = || {
            let now = Instant::now();
            now > budget.earliest && (now > budget.latest || budget.started.elapsed() > budget.limits.time)
        };
        let over = match budget.over {
            Some(over) => Some(over),
            None if used > budget.limits.steps => Some(Over::Steps),
            None if thread_metrics().allocated_bytes > self.memory_ceiling.get() => Some(Over::Memory),
            None => is_late().then_some(Over::Time),
        };
        budget.over = over;
        self.budget.set(Some(budget));
        self.look_at.set(if over.is_some() { 0 } else { budget.limits.next_look(used) });
        over.map(|over| over.why(budget.limits).into())
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
        assert_eq!(running.was_stopped(), why);
        why
    }

    #[test]
    fn each_limit_ends_a_run() {
        let mut held = Vec::new();
        let few = Limits { steps: 10, ..LIVE };
        let small = Limits { memory: 64 << 10, ..LIVE };
        let short = Limits { time: Duration::from_millis(1), ..LIVE };
        let is =
            |why: Option<String>, what: &str| assert_eq!(why.unwrap(), format!("the script was stopped: it {what}"));
        is(why(few, || ()), "takes more than 10 steps");
        is(why(small, || held.resize(1 << 20, 0_u8)), "holds more than 64 KiB of memory");
        is(why(LIVE, || drop(stop(Over::Said))), "says more than 100 things");
        let begun = ThreadTime::now();
        let work = || while begun.elapsed() < short.time * 2 {};
        is(why(short, work), "takes longer than 1 ms");
        assert_eq!(why(short, || std::thread::sleep(short.time * 2)), None, "waiting is not working");
        assert_eq!(why(LIVE, || drop(vec![0_u8; 1 << 20])), None);
    }

    #[test]
    fn a_run_inside_a_run_has_its_own_budget_and_gives_the_outer_one_back() {
        let outer = Running::start(LIVE);
        step(0);
        let inner = Running::start(LIVE);
        assert_eq!(inner.steps(), 0);
        step(0);
        step(0);
        drop(inner);
        assert_eq!(outer.steps(), 3, "what runs inside counts");
        drop(outer);
        assert!(step(0).is_some(), "nothing runs without a budget");
    }
}
