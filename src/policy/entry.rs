//! The way into a script: its decision's function, called with what earlier runs on this thread have found out.
//!
//! Rhai finds the function behind each field, comparison and call by its name and the types of its arguments, and remembers it
//! for one call of a script. Which one it is depends on the engine and the script alone, so here it is remembered from one run of a
//! script to the next.
//!
//! **Invariant:** nothing but which functions are meant goes from one run to another, and it has bounds.

use std::{
    cell::RefCell,
    sync::{Arc, Weak},
};

use rhai::{
    AST, Caches, Dynamic, Engine, EvalAltResult, EvalContext, Expr, Expression, ImmutableString, Module, Position,
    Scope, Shared, Stmt, StmtBlock, plugin::RhaiResult,
};

use super::{
    condition::IsOwn,
    context::Context,
    limits,
    syntax::{Known, rule},
    validate::script::statements,
};

/// Scripts of which a thread remembers something.
const SCRIPTS: usize = 32;
/// Functions that are remembered of a script.
const FUNCTIONS: usize = 1_000;

/// A function of a script, ready to be called.
pub struct Entry {
    params: Vec<ImmutableString>,
    body: Vec<Part>,
}

/// A part of a body.
enum Part {
    /// A rule.
    Rule(Known),
    /// Statements that follow on each other, which see the variables of those before them.
    Script(Expr),
}

/// Parts a body into its rules and what is between them.
fn parted(body: Vec<Stmt>, (start, end): (Position, Position), is_own: IsOwn) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut between = Vec::new();
    let script = |between: &mut Vec<Stmt>| {
        let statements = std::mem::take(between);
        (!statements.is_empty()).then(|| Part::Script(Expr::Stmt(StmtBlock::new(statements, start, end).into())))
    };
    for stmt in body {
        if let Stmt::Expr(expr) = &stmt
            && let Some(rule) = rule(expr)
        {
            parts.extend(script(&mut between));
            parts.push(Part::Rule(Known::of(&rule, is_own)));
        } else {
            between.push(stmt);
        }
    }
    parts.extend(script(&mut between));
    parts
}

impl Entry {
    /// The function of that name and number of parameters; nothing when there is none.
    pub fn of(ast: &AST, name: &str, params: usize) -> Option<Entry> {
        let function = ast.shared_lib().get_script_fn(name, params)?;
        let range = (function.body.start_position(), function.body.end_position());
        let is_own = |name: &str| ast.iter_fn_def().any(|function| function.name == name);
        let body = parted(statements(ast, name, params), range, &is_own);
        Some(Entry { params: function.params.to_vec(), body })
    }

    /// Calls it, of the script that it was made of.
    ///
    /// # Errors
    /// What goes wrong in the script.
    pub fn call(&self, engine: &Engine, ast: &AST, arguments: Vec<Dynamic>, context: &Context) -> RhaiResult {
        let mut known = FoundOut::of(ast.shared_lib());
        let mut global = engine.new_global_runtime_state();
        global.lib.push(Shared::clone(ast.shared_lib()));
        global.tag = Dynamic::from(context.clone());
        // A call is a step, as everywhere in a script.
        if let Some(why) = limits::step(0) {
            return Err(EvalAltResult::ErrorTerminated(why, Position::NONE).into());
        }
        let mut scope = Scope::new();
        for (name, value) in self.params.iter().zip(arguments) {
            scope.push_dynamic(name.clone(), value);
        }
        let mut call = EvalContext::new(engine, &mut global, &mut known.caches, &mut scope, None);
        let result = self.run(&mut call, context);
        known.keep();
        result.or_else(|error| returned(*error))
    }

    fn run(&self, call: &mut EvalContext, context: &Context) -> RhaiResult {
        let mut last = Dynamic::UNIT;
        for part in &self.body {
            last = match part {
                Part::Rule(rule) => rule.run(call, context)?,
                #[expect(
                    deprecated,
                    reason = "Rhai marks it as volatile, not as deprecated; the exact version is pinned"
                )]
                Part::Script(statements) => call.eval_expression_tree_raw(&Expression::from(statements), false)?,
            };
        }
        Ok(last)
    }
}

/// What a function that ended early gives; errors that are about a run as a whole have no place.
fn returned(mut error: EvalAltResult) -> RhaiResult {
    if let EvalAltResult::Return(value, _) = error {
        return Ok(value);
    }
    if error.is_system_exception() {
        error.set_position(Position::NONE);
    }
    Err(error.into())
}

/// What was found out of a script.
struct FoundOut {
    script: Weak<Module>,
    caches: Caches,
}

thread_local! {
    static KNOWN: RefCell<Vec<FoundOut>> = const { RefCell::new(Vec::new()) };
}

impl FoundOut {
    /// Takes what is known of a script.
    fn of(script: &Shared<Module>) -> FoundOut {
        let is_of = |known: &FoundOut| Weak::as_ptr(&known.script) == Arc::as_ptr(script);
        let known = KNOWN.with_borrow_mut(|all| all.iter().position(is_of).map(|at| all.swap_remove(at)));
        known.unwrap_or_else(|| FoundOut { script: Arc::downgrade(script), caches: Caches::new() })
    }

    /// Keeps it for the next run.
    fn keep(mut self) {
        if self.caches.fn_resolution_cache_mut().dict.len() > FUNCTIONS {
            // A script that makes up ever new calls begins anew.
            return;
        }
        KNOWN.with_borrow_mut(|all| {
            if all.len() == SCRIPTS {
                let gone = all.iter().position(|known| known.script.strong_count() == 0);
                all.swap_remove(gone.unwrap_or(0));
            }
            all.push(self);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

    use rhai::CallFnOptions;

    use super::*;
    use crate::policy::{
        decision::Decision,
        engine, facts,
        functions::test_clock,
        host::{Host, Offline},
        limits::{LIVE, Limits, Running},
        program::{Program, compile},
        runner::on_ample_stack,
    };

    fn context() -> Context {
        let host: Arc<dyn Host> = Arc::new(Offline::default());
        Context::new(Decision::Routing, &host, test_clock(), &Arc::new(BTreeMap::new()), None)
    }

    fn compiled(source: &str) -> Program {
        compile(source, Decision::Routing).unwrap()
    }

    /// What a call gives, and how many steps it takes.
    fn called(call: impl FnOnce(&Engine, Vec<Dynamic>, &Context) -> RhaiResult) -> (String, u64) {
        // Time is no matter here: a busy machine takes long.
        let running = Running::start(Limits { time: Duration::from_secs(10), ..LIVE });
        let arguments = vec![Dynamic::from(facts::incident().made_up())];
        let given = engine::with(|e| call(e, arguments, &context()));
        let given = given.map_or_else(|error| format!("{error} at {}", error.position()), |value| value.to_string());
        (given, running.steps())
    }

    #[test]
    fn a_call_is_as_rhai_calls_every_time() {
        let mut sources = vec![
            "fn route(i) { }".to_owned(),
            "fn route(i) { return 5; 6 }".to_owned(),
            "fn route(i) { i.title + i.impact + i.caller.vip }".to_owned(),
            "fn route(i) { i.nothing }".to_owned(),
            "fn route(i) { let a = 1; let b = a + i.impact; b.pow() }".to_owned(),
            "fn route(i) { let l = [3, 1]; l.map(|x| x * 2).len() + i.title.len() }".to_owned(),
            "fn route(i) { rule \"r\" when i.impact == 3 then assign(\"a\"); 7 }".to_owned(),
        ];
        let deep = |n| format!("fn route(i) {{ down({n}) }} fn down(n) {{ if n > 0 {{ down(n - 1) }} else {{ n }} }}");
        sources.extend((0..14).map(deep));
        on_ample_stack(|| {
            for source in sources {
                let program = compiled(&source);
                let plainly = called(|engine, arguments, context| {
                    let options = CallFnOptions::new().eval_ast(false).with_tag(context.clone());
                    engine.call_fn_with_options(options, &mut Scope::new(), program.ast(), "route", arguments)
                });
                for _ in 0..4 {
                    let entered = called(|engine, arguments, context| {
                        program.entry().unwrap().call(engine, program.ast(), arguments, context)
                    });
                    assert_eq!(entered.0, plainly.0, "{source}");
                    // A rule takes fewer steps than Rhai takes with it.
                    assert!(entered.1 == plainly.1 || source.contains("rule") && entered.1 > 0, "{source}");
                }
            }
        })
        .unwrap();
    }

    #[test]
    fn what_a_thread_remembers_has_bounds() {
        on_ample_stack(|| {
            let run = |program: &Program| {
                called(|engine, arguments, context| {
                    program.entry().unwrap().call(engine, program.ast(), arguments, context)
                })
            };
            for number in 0..2 * SCRIPTS {
                run(&compiled(&format!("fn route(i) {{ i.impact + {number} }}")));
            }
            assert_eq!(KNOWN.with_borrow(Vec::len), SCRIPTS);
            let mut many =
                "fn route(i) { let t = [1, \"a\", true, 'c', (), 1.5, [], #{}, i, now()]; let n = 0; ".to_owned();
            many.push_str("for a in t { for b in t { for c in t { n += f(a, b, c); } } } n } fn f(a, b, c) { ");
            (0..4).for_each(|n| write!(many, "if a == b && c == {n} {{ return {n}; }} ").unwrap());
            let many = compiled(&format!("{many} 0 }}"));
            let before = run(&many);
            assert_eq!(run(&many), before);
            let most = KNOWN.with_borrow_mut(|all| {
                all.iter_mut().map(|known| known.caches.fn_resolution_cache_mut().dict.len()).max()
            });
            assert!(most.unwrap() <= FUNCTIONS, "{most:?}");
        })
        .unwrap();
    }
}
