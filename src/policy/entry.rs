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
    AST, Caches, Dynamic, Engine, EvalAltResult, EvalContext, Expr, Expression, GlobalRuntimeState, ImmutableString,
    Module, Position, Scope, Shared, Stmt, StmtBlock, plugin::RhaiResult,
};

use super::{
    condition::{self, Asks, IsOwn, Variable},
    context::Context,
    facts::Facts,
    limits::MAX_TRIED,
    syntax::{Known, rule},
    trace::Tried,
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

/// What a decision's function is given: a record, and for some what else it is made on.
pub type Arguments<'a> = [Option<&'a Facts>; 2];

impl Entry {
    /// The function of that name and number of parameters; nothing when there is none.
    pub fn of(ast: &AST, name: &str, params: usize) -> Option<Entry> {
        let function = ast.shared_lib().get_script_fn(name, params)?;
        let range = (function.body.start_position(), function.body.end_position());
        let is_own = |name: &str| ast.iter_fn_def().any(|function| function.name == name);
        let body = parted(statements(ast, name, params), range, &is_own);
        Some(Entry { params: function.params.to_vec(), body })
    }

    /// Calls it, of the script that it was made of. Where a rule ends it, it gives nothing: the rule said something.
    ///
    /// # Errors
    /// What goes wrong in the script.
    pub fn call(&self, engine: &Engine, ast: &AST, arguments: Arguments, context: &Context) -> RhaiResult {
        // A call is a step, as everywhere in a script.
        condition::step(Position::NONE)?;
        let tried = Vec::with_capacity(self.body.len().min(MAX_TRIED));
        let mut run = Run { engine, ast, params: &self.params, arguments, context, tried, script: None };
        self.run(&mut run).or_else(|error| returned(*error))
    }

    fn run(&self, run: &mut Run) -> RhaiResult {
        let mut last = Dynamic::UNIT;
        for part in &self.body {
            match part {
                Part::Rule(rule) => {
                    if rule.run(run)?.is_break() {
                        return Ok(Dynamic::UNIT);
                    }
                    last = Dynamic::UNIT;
                }
                #[expect(
                    deprecated,
                    reason = "Rhai marks it as volatile, not as deprecated; the exact version is pinned"
                )]
                Part::Script(statements) => {
                    let statements = Expression::from(statements);
                    last = run.by_rhai(|call| call.eval_expression_tree_raw(&statements, false))?;
                }
            }
        }
        Ok(last)
    }
}

/// A run of a function: Rhai is made ready for it once something comes that Rhai alone knows.
pub struct Run<'a> {
    engine: &'a Engine,
    ast: &'a AST,
    params: &'a [ImmutableString],
    arguments: Arguments<'a>,
    /// What the run has said, asked and tried.
    pub context: &'a Context,
    /// The rules that were tried; the context has them while Rhai runs.
    pub tried: Vec<Tried>,
    script: Option<Script>,
}

/// What Rhai has of a run.
struct Script {
    global: GlobalRuntimeState,
    scope: Scope<'static>,
    known: FoundOut,
}

impl Script {
    fn of(run: &Run) -> Script {
        let mut global = run.engine.new_global_runtime_state();
        global.lib.push(Shared::clone(run.ast.shared_lib()));
        global.tag = Dynamic::from(run.context.clone());
        let mut scope = Scope::new();
        for (name, value) in run.params.iter().zip(run.arguments.into_iter().flatten()) {
            scope.push_dynamic(name.clone(), Dynamic::from(value.clone()));
        }
        Script { global, scope, known: FoundOut::of(run.ast.shared_lib()) }
    }
}

impl Run<'_> {
    /// Does something with Rhai.
    fn by_rhai<T>(&mut self, ask: impl FnOnce(&mut EvalContext) -> T) -> T {
        let mut script = self.script.take().unwrap_or_else(|| Script::of(self));
        self.hand_over();
        let Script { global, scope, known } = &mut script;
        let given = ask(&mut EvalContext::new(self.engine, global, &mut known.caches, scope, None));
        self.hand_over();
        self.script = Some(script);
        given
    }

    /// Gives the rules that were tried to the context, or takes them back from there.
    fn hand_over(&mut self) {
        std::mem::swap(&mut self.context.state().tried, &mut self.tried);
    }
}

impl Asks for Run<'_> {
    fn see<T>(&self, variable: &str, then: impl FnOnce(Variable) -> Option<T>) -> Option<T> {
        if let Some(script) = &self.script {
            return then(Variable::Value(script.scope.get(variable)?));
        }
        let place = self.params.iter().position(|param| param == variable)?;
        then(Variable::Record((*self.arguments.get(place)?)?))
    }

    fn ask_rhai(&mut self, expr: &Expr) -> RhaiResult {
        self.by_rhai(|call| call.eval_expression_tree(&Expression::from(expr)))
    }
}

/// However it ends, the context has what was tried, and what was found out of the script is kept.
impl Drop for Run<'_> {
    fn drop(&mut self) {
        if !self.tried.is_empty() {
            self.hand_over();
        }
        if let Some(script) = self.script.take() {
            script.known.keep();
        }
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
        context::Said,
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
    fn called(call: impl FnOnce(&Engine, &Facts, &Context) -> RhaiResult) -> (String, u64) {
        // Time is no matter here: a busy machine takes long.
        let running = Running::start(Limits { time: Duration::from_secs(10), ..LIVE });
        let given = engine::with(|e| call(e, &facts::incident().made_up(), &context()));
        // What was said and nothing are both well.
        let shown = |value: Dynamic| if value.is::<Said>() { String::new() } else { value.to_string() };
        let given = given.map_or_else(|error| format!("{error} at {}", error.position()), shown);
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
                let plainly = called(|engine, record, context| {
                    let options = CallFnOptions::new().eval_ast(false).with_tag(context.clone());
                    let arguments = vec![Dynamic::from(record.clone())];
                    engine.call_fn_with_options(options, &mut Scope::new(), program.ast(), "route", arguments)
                });
                for _ in 0..4 {
                    let entered = called(|engine, record, context| {
                        program.entry().unwrap().call(engine, program.ast(), [Some(record), None], context)
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
                called(|engine, record, context| {
                    program.entry().unwrap().call(engine, program.ast(), [Some(record), None], context)
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
