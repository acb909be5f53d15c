//! The script engine and its limits. ARCHITECTURE.md lists the faults of Rhai that they keep away.
//!
//! **Invariant:** scripts reach nothing but the functions registered here: no input, no output, no clock, no state.
//! **Invariant:** an engine serves one thread; programs compiled by one run on every other.

use rhai::{
    Engine, OptimizationLevel,
    packages::{
        ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
        BasicStringPackage, LogicPackage, MoreStringPackage, Package,
    },
};

use super::{functions, limits, syntax, woven};

/// Words of Rhai that a policy has no use for.
pub const FORBIDDEN: &[&str] = &[
    "eval", "Fn", "call", "curry", "import", "export", "print", "debug", "loop", "while", "do", "until", "throw",
    "try", "catch", "private",
];

/// A part of Rhai that policies have.
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Gives it to an engine.
    pub register: fn(&mut Engine),
}

fn give<P: Package + Default>(engine: &mut Engine) {
    P::default().register_into_engine(engine);
}

const fn part<P: Package + Default>(name: &'static str, doc: &'static str) -> Part {
    Part { name, doc, register: give::<P> }
}

/// The parts of Rhai that policies have.
pub const PACKAGES: &[Part] = &[
    part::<ArithmeticPackage>(
        "arithmetic",
        "Whole and decimal numbers: adding, dividing, rounding towards zero, signs.",
    ),
    part::<LogicPackage>("logic", "Comparing values, and the smaller or the greater of two."),
    part::<BasicStringPackage>("text", "Making text of values and joining it."),
    part::<MoreStringPackage>("more_text", "Looking into text, cutting, splitting and changing it."),
    part::<BasicIteratorPackage>("iteration", "What a `for` can go through: ranges, characters, items."),
    part::<BasicMathPackage>("mathematics", "Rounding, roots, logarithms and angles, and reading numbers from text."),
    part::<BasicArrayPackage>("lists", "Making, searching, sorting and changing lists."),
    part::<BasicMapPackage>("maps", "Keys and values of maps, and joining them."),
];

thread_local! {
    static ENGINE: Engine = build();
}

/// Runs with this thread's engine.
pub fn with<T>(work: impl FnOnce(&Engine) -> T) -> T {
    ENGINE.with(work)
}

/// Makes this thread's engine if it has none yet, so that no run pays for it out of its time.
pub fn ready() {
    with(|_| ());
}

fn build() -> Engine {
    let mut engine = Engine::new_raw();
    for package in PACKAGES {
        (package.register)(&mut engine);
    }
    for word in FORBIDDEN {
        engine.disable_symbol(*word);
    }
    limit(&mut engine);
    syntax::register(&mut engine);
    woven::register(&mut engine);
    functions::register(&mut engine);
    engine
}

fn limit(engine: &mut Engine) {
    engine
        .set_max_operations(limits::LIVE.steps)
        .set_max_call_levels(12)
        // What is nested without end overflows the stack while it is read, run or dropped.
        .set_max_expr_depths(32, 24)
        .set_max_string_size(4096)
        .set_max_array_size(256)
        .set_max_map_size(256)
        .set_max_variables(64)
        .set_max_functions(100)
        .set_max_modules(0)
        .set_max_strings_interned(256)
        .set_strict_variables(true)
        .set_allow_shadowing(false)
        // A key that a map lacks would give `()`, which compares with anything.
        .set_fail_on_invalid_map_property(true)
        // The optimiser panics on an assignment to a property of a constant.
        .set_optimization_level(OptimizationLevel::None)
        // Rhai counts no steps in callbacks, and neither time nor memory.
        .on_progress(limits::step);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rhai's feature `unchecked` takes away all limits and checks. Another crate that turns it on turns it on here, too.
    #[test]
    fn numbers_are_checked_and_limits_hold() {
        with(|engine| {
            for code in
                ["9223372036854775807 + 1", "-9223372036854775807 - 2", "3037000500 * 3037000500", "1 / 0", "2 ** 63"]
            {
                assert!(engine.eval_expression::<i64>(code).is_err(), "{code}");
            }
            let limits = (
                engine.max_operations(),
                engine.max_call_levels(),
                engine.max_expr_depth(),
                engine.max_function_expr_depth(),
            );
            assert_eq!(limits, (limits::LIVE.steps, 12, 32, 24));
            let limits =
                (engine.max_string_size(), engine.max_array_size(), engine.max_map_size(), engine.max_variables());
            assert_eq!(limits, (4096, 256, 256, 64));
            assert_eq!((engine.max_functions(), engine.max_modules()), (100, 0));
        });
    }
}
