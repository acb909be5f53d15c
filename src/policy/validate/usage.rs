//! What is there and never used.

use std::collections::{HashMap, HashSet};

use rhai::{ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::{
    Problems, Script,
    script::{Function, Role, each_node},
};

/// Functions that nothing reaches, and variables that nothing reads.
pub fn of(script: &Script, problems: &mut Problems) {
    let reached = reached(script);
    for (at, function) in script.functions.iter().enumerate() {
        if function.role == Role::Helper && !reached.contains(&at) {
            let message = || format!("neither the decision nor a test calls `{}`", function.name);
            problems.add("unused_function", script.name_of(function), message);
        }
        for (name, place) in unread(function) {
            problems.add("unused_variable", script.word(place), || format!("nothing reads `{name}`"));
        }
    }
}

/// The functions that the decision or a test reaches.
fn reached(script: &Script) -> HashSet<usize> {
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, function) in script.functions.iter().enumerate() {
        by_name.entry(&function.name).or_default().push(at);
    }
    let roots = script.functions.iter().enumerate().filter(|(_, f)| f.role != Role::Helper).map(|(at, _)| at);
    let mut waiting: Vec<usize> = roots.collect();
    let mut reached: HashSet<usize> = waiting.iter().copied().collect();
    while let Some(at) = waiting.pop() {
        each_node(&script.functions[at].body, |node| {
            for next in named(script, &by_name, node) {
                if reached.insert(next) {
                    waiting.push(next);
                }
            }
        });
    }
    reached
}

/// The functions that a node names: in a call, or as a value that others call.
fn named(script: &Script, by_name: &HashMap<&str, Vec<usize>>, node: &ASTNode) -> Vec<usize> {
    let called = |call: &FnCallExpr| script.own(&call.name, call.args.len()).into_iter().collect();
    let all = |name: &str| by_name.get(name).cloned().unwrap_or_default();
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else names a function")]
    match node {
        ASTNode::Stmt(Stmt::FnCall(call, _)) => called(call),
        ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _)) => called(call),
        ASTNode::Expr(Expr::Variable(variable, ..)) => all(&variable.1),
        ASTNode::Expr(Expr::StringConstant(text, _)) => all(text),
        _ => Vec::new(),
    }
}

/// The variables that nothing reads, with the places of their names. One whose name starts with `_` is meant so.
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else makes, reads or writes a variable")]
fn unread(function: &Function) -> Vec<(String, Position)> {
    let mut made: Vec<(String, Position)> = Vec::new();
    let (mut read, mut written): (HashMap<String, usize>, HashMap<String, usize>) = Default::default();
    each_node(&function.body, |node| match node {
        ASTNode::Stmt(Stmt::Var(variable, ..)) => made.push((variable.0.name.to_string(), variable.0.pos)),
        ASTNode::Stmt(Stmt::Assignment(assignment)) => {
            if let Expr::Variable(variable, ..) = &assignment.1.lhs {
                *written.entry(variable.1.to_string()).or_default() += 1;
            }
        }
        ASTNode::Expr(Expr::Variable(variable, ..)) => *read.entry(variable.1.to_string()).or_default() += 1,
        _ => {}
    });
    made.retain(|(name, _)| !name.starts_with('_') && read.get(name) == written.get(name));
    made
}
