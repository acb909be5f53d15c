//! A script as the checks walk it: each function with its statements, and what it is there for.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};

use rhai::{AST, ASTNode, Expr, ImmutableString, Position, ScriptFuncDef, Stmt};

use crate::policy::{engine, functions::cases::CASES, program::Program};

/// What a function is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It makes the decision.
    Decision,
    /// It is run as a test.
    Test,
    /// It gives the case table.
    Cases,
    /// Others call it.
    Helper,
    /// It stands inside another function: `|x| …`.
    Inner,
}

/// A function of a script.
pub struct Function {
    /// Its name.
    pub name: ImmutableString,
    /// The names of its parameters.
    pub params: Vec<ImmutableString>,
    /// What it is there for.
    pub role: Role,
    /// Whether it is there for tests, or stands inside such a function.
    pub in_test: bool,
    /// Its statements.
    pub body: Vec<Stmt>,
    /// Where its body starts.
    pub start: Position,
    /// Where its body ends.
    pub end: Position,
    /// Variables whose value changes after they were made.
    pub reassigned: HashSet<String>,
    /// As Rhai keeps it.
    pub definition: Arc<ScriptFuncDef>,
}

/// The functions of a script, in the order of the source.
pub fn functions(program: &Program) -> Vec<Function> {
    let spec = program.decision().spec();
    let mut found: Vec<Function> = program
        .ast()
        .iter_fn_def()
        .map(|f| {
            let role = match f.params.len() {
                n if f.name == spec.function && n == spec.arguments.len() => Role::Decision,
                0 if f.name.starts_with("test_") => Role::Test,
                0 if f.name == CASES => Role::Cases,
                _ if f.name.starts_with(|c: char| c.is_alphabetic() || c == '_') && !is_inner(&f.name) => Role::Helper,
                _ => Role::Inner,
            };
            let body = statements(program.ast(), &f.name, f.params.len());
            let reassigned = reassigned(&body);
            let (start, end) = (f.body.start_position(), f.body.end_position());
            let (name, params, in_test) = (f.name.clone(), f.params.to_vec(), matches!(role, Role::Test | Role::Cases));
            let definition = Arc::clone(f);
            Function { name, params, role, in_test, body, start, end, reassigned, definition }
        })
        .collect();
    found.sort_by_key(|f| f.start);
    let tests: Vec<_> = found.iter().filter(|f| f.in_test).map(|f| f.start..f.end).collect();
    for function in found.iter_mut().filter(|f| f.role == Role::Inner) {
        function.in_test = tests.iter().any(|t| t.contains(&function.start));
    }
    found
}

fn is_inner(name: &str) -> bool {
    name.starts_with("anon$")
}

/// Rhai shows the body of a function only to a walk over a whole script: so it is walked as a script of its own.
pub fn statements(ast: &AST, name: &str, params: usize) -> Vec<Stmt> {
    let mut alone = ast.clone();
    alone.retain_functions(|_, _, n, p| n == name && p == params);
    let mut body = Vec::new();
    alone.walk(&mut |path: &[ASTNode]| {
        if let [ASTNode::Stmt(stmt)] = path {
            body.push((*stmt).clone());
        }
        true
    });
    body
}

/// Calls a closure with each expression and statement below some statements, from the outer to the inner.
pub fn each_node(body: &[Stmt], mut see: impl FnMut(&ASTNode)) {
    for stmt in body {
        stmt.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            path.last().into_iter().for_each(&mut see);
            true
        });
    }
}

fn reassigned(body: &[Stmt]) -> HashSet<String> {
    let mut found = HashSet::new();
    each_node(body, |node| {
        if let ASTNode::Stmt(Stmt::Assignment(assignment)) = node
            && let Expr::Variable(variable, ..) = &assignment.1.lhs
        {
            found.insert(variable.1.to_string());
        }
    });
    found
}

/// A native function that scripts can call.
pub struct Native {
    /// Its name.
    pub name: String,
    /// How many arguments it takes.
    pub params: usize,
    /// The type that it says it gives.
    pub gives: String,
    /// The type of its first argument.
    pub first: Option<std::any::TypeId>,
}

/// The functions that every script can call, by name.
pub fn natives() -> &'static HashMap<String, Vec<Native>> {
    static NATIVES: LazyLock<HashMap<String, Vec<Native>>> = LazyLock::new(|| {
        let native = |f: rhai::FuncInfo| {
            let (name, gives) = (f.metadata.name.to_string(), f.metadata.return_type.to_string());
            Some(Native { name, params: f.metadata.num_params, gives, first: f.metadata.param_types.first().copied() })
        };
        let mut found: HashMap<String, Vec<Native>> = HashMap::new();
        let built_in = [("type_of", "string"), ("is_def_var", "bool"), ("is_def_fn", "bool")]
            .map(|(name, gives)| Native { name: name.to_owned(), params: 1, gives: gives.to_owned(), first: None });
        for function in engine::with(|e| e.collect_fn_metadata(None, native, true)).into_iter().chain(built_in) {
            found.entry(function.name.clone()).or_default().push(function);
        }
        found
    });
    &NATIVES
}
