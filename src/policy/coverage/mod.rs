//! What the tests of a script reach: lines, rules and branches.
//!
//! Owns: watching a script ([`weave`]) and what was seen ([`report`]). Refuses to know: what tests there are.
//!
//! A *branch* has two sides: a condition of a rule or an `if`, and each part of `and` and `or`, is true or false; what stands
//! before `??` is there or not. Each case of a `switch`, its default, and the body of a `for` have one. A line counts where
//! something on it runs by itself; tests, case tables and modules don't count.
//!
//! **Invariant:** a watched program says what the program says. It takes more steps, so verdicts are never taken from it.

mod probe;
mod report;
#[cfg(test)]
mod tests;
mod weave;

use std::sync::Arc;

use self::probe::Probe;
pub use self::report::{Coverage, Gap, Least, RuleCoverage, Share, Uncovered};
use super::{
    program::Program,
    tokens::Tokens,
    validate::script::{self, Function},
    woven,
};
use crate::error::Result;

/// A program that is watched while its tests run.
pub struct Watched {
    /// The program, in which everything that counts is seen.
    pub program: Arc<Program>,
    probes: Vec<Probe>,
}

impl Watched {
    /// Of a program, of which nothing was seen yet.
    ///
    /// # Errors
    /// None: what compiles can be watched.
    pub fn new(program: &Program) -> Result<Watched> {
        let tokens = Tokens::of(program.source());
        let mut weaver = weave::Weaver::new(&tokens);
        let own = program.linked().own_lines();
        let counts = |function: &&Function| !function.in_test && function.start.line().is_some_and(|line| line <= own);
        let functions = script::functions(program);
        let woven = functions.iter().filter(counts).map(|function| {
            let body = weaver.body(function);
            woven::function(&function.definition, [woven::block(body)])
        });
        let woven = woven.collect::<Result<Vec<_>>>()?;
        Ok(Watched { program: Arc::new(program.with_functions(woven)), probes: weaver.into_probes() })
    }

    /// What was seen so far; `unfollowed` tests could not be followed to their end.
    pub fn coverage(&self, unfollowed: usize) -> Coverage {
        report::of(&self.probes, &Tokens::of(self.program.source()), unfollowed)
    }
}
