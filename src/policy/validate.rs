//! Checking a script before it runs: every problem that can be seen, each with its place.

mod comparison;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, sync::Arc};

use rhai::{AST, ASTNode, BinaryExpr, Expr, FnCallExpr, ImmutableString, Position};

use self::comparison::never_equal;
use super::{
    context::wrong_effect,
    decision::Decision,
    diagnostic::{Diagnostic, Severity},
    engine,
    facts::{self, FactSchema, FieldSchema, FieldType, suggest},
    functions::EFFECTS,
    host::Host,
    program::{Program, compile},
    source::Source,
    table::{ColumnType, Table},
};

/// Every problem of a script, in the order of the source; none means that it may go live. Call it on a thread with an
/// ample stack (see `policy::runner`).
pub fn validate(source: &str, decision: Decision, schema: &Arc<FactSchema>, host: &dyn Host) -> Vec<Diagnostic> {
    match compile(source, decision) {
        Ok(program) => check(&program, schema, host),
        Err(problems) => problems,
    }
}

/// Every problem of a script that compiles.
pub fn check(program: &Program, schema: &Arc<FactSchema>, host: &dyn Host) -> Vec<Diagnostic> {
    let spec = program.decision().spec();
    let decides =
        program.ast().iter_fn_def().find(|f| f.name == spec.function && f.params.len() == spec.arguments.len());
    let params = decides.map(|f| f.params.iter().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let native = native_functions();
    let mut checker = Checker {
        decision: program.decision(),
        source: program.source(),
        host,
        records: params.into_iter().zip([Arc::clone(schema), facts::transition()]).collect(),
        functions: program
            .ast()
            .iter_fn_def()
            .map(|f| (f.name.to_string(), f.params.len()))
            .chain(native.clone())
            .collect(),
        asked: teams_asked_for(program.ast()),
        problems: Vec::new(),
    };
    for function in program.ast().iter_fn_def() {
        // Only the decision's own parameters are known to be records; a helper's may be anything.
        let in_decision = decides.is_some_and(|d| Arc::ptr_eq(d, function));
        // Rhai shows the body of a function only to a walk over the whole script: so each is walked as a script of its own.
        let (name, params) = (function.name.as_str(), function.params.len());
        let alone = program.ast().clone_functions_only_filtered(|_, _, _, n, p| n == name && p == params);
        if !in_decision && native.contains(&(name.to_owned(), params)) {
            let at = Source::new(program.source()).find_function(name).unwrap_or(Position::NONE);
            checker.report(
                "shadows_built_in",
                at,
                format!("`{name}` is there already; give this function another name"),
            );
        }
        checker.function(&alone, in_decision, name.starts_with("test_"));
    }
    let mut problems = checker.problems;
    problems.sort_by_key(|p| (p.line, p.column));
    problems.dedup();
    problems
}

/// The teams that a script itself asks for by `team_exists("…")`.
fn teams_asked_for(ast: &AST) -> HashSet<String> {
    let mut asked = HashSet::new();
    for function in ast.iter_fn_def() {
        let (name, params) = (function.name.as_str(), function.params.len());
        ast.clone_functions_only_filtered(|_, _, _, n, p| n == name && p == params).walk(&mut |path: &[ASTNode]| {
            if let Some(ASTNode::Expr(Expr::FnCall(call, _))) = path.last()
                && call.name == "team_exists"
            {
                asked.extend(call.args.first().and_then(text_literal).map(str::to_owned));
            }
            true
        });
    }
    asked
}

/// Names and numbers of arguments of the functions that every script can call.
fn native_functions() -> HashSet<(String, usize)> {
    let native = engine::with(|e| {
        e.collect_fn_metadata(None, |f| Some((f.metadata.name.to_string(), f.metadata.num_params)), true)
    });
    let built_in = ["type_of", "is_def_var", "is_def_fn"].map(|n| (n.to_owned(), 1));
    native.into_iter().chain(built_in).collect()
}

struct Checker<'a> {
    decision: Decision,
    source: &'a str,
    host: &'a dyn Host,
    records: Vec<(ImmutableString, Arc<FactSchema>)>,
    functions: HashSet<(String, usize)>,
    asked: HashSet<String>,
    problems: Vec<Diagnostic>,
}

/// What is known of a value along a chain of dots.
enum Known {
    Record(Arc<FactSchema>),
    Field(FieldSchema),
    Table(Arc<Table>),
    Row(Arc<Table>),
    Nothing,
}

impl Checker<'_> {
    fn report(&mut self, code: &str, at: Position, message: impl Into<String>) {
        self.problems.push(Diagnostic::at(code, at, self.source, message));
    }

    fn function(&mut self, alone: &AST, in_decision: bool, in_test: bool) {
        let records = if in_decision { None } else { Some(std::mem::take(&mut self.records)) };
        alone.walk(&mut |path: &[ASTNode]| {
            self.node(path, in_test);
            true
        });
        if let Some(records) = records {
            self.records = records;
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these expressions are checked")]
    fn node(&mut self, path: &[ASTNode], in_test: bool) {
        let Some(ASTNode::Expr(expr)) = path.last() else { return };
        match expr {
            Expr::Dot(pair, ..) if !inside_chain(path, expr) => drop(self.chain(pair)),
            Expr::FnCall(call, at) if call.is_operator_call() => self.comparison(call, *at),
            Expr::FnCall(call, at) => self.call(call, *at, in_test),
            Expr::MethodCall(call, at) => self.known_function(call, *at, 1),
            _ => {}
        }
    }

    /// Follows a chain of dots from a value that is known.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other expression ends the chain")]
    fn chain(&mut self, pair: &BinaryExpr) -> Known {
        let mut known = self.root(&pair.lhs);
        let mut rest = &pair.rhs;
        loop {
            match rest {
                Expr::Dot(inner, ..) => {
                    known = self.step(known, &inner.lhs);
                    rest = &inner.rhs;
                }
                last => return self.step(known, last),
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these expressions have a type that is known")]
    fn root(&self, expr: &Expr) -> Known {
        match expr {
            Expr::Variable(variable, ..) => {
                let record = self.records.iter().find(|(name, _)| *name == variable.1);
                record.map_or(Known::Nothing, |(_, schema)| Known::Record(Arc::clone(schema)))
            }
            Expr::FnCall(call, _) if call.name == "table" => {
                let name = call.args.first().and_then(text_literal);
                name.and_then(|n| self.host.table(n)).map_or(Known::Nothing, Known::Table)
            }
            _ => Known::Nothing,
        }
    }

    fn step(&mut self, known: Known, next: &Expr) -> Known {
        match (known, next) {
            (Known::Record(schema), Expr::Property(name, at)) => self.field(&schema, &name.2, *at),
            (Known::Field(field), Expr::Property(name, at)) if field.kind != FieldType::Time => {
                let message = format!("`{}` is {} and has no field `{}`", field.name, field.kind.named(), name.2);
                self.report("unknown_field", *at, message);
                Known::Nothing
            }
            (Known::Table(table), Expr::MethodCall(call, at)) if call.name == "find" || call.name == "has" => {
                if call.args.len() != table.head().keys {
                    let (wanted, given) = (table.head().keys, call.args.len());
                    let message = format!("table `{}` is looked up by {wanted} value(s), {given} given", table.name());
                    self.report("wrong_arguments", *at, message);
                }
                if call.name == "find" { Known::Row(table) } else { Known::Nothing }
            }
            (Known::Row(table), Expr::Property(name, at)) => {
                if table.head().index_of(&name.2).is_none() {
                    self.report("unknown_column", *at, table.head().unknown_column(table.name(), &name.2));
                }
                Known::Nothing
            }
            _ => Known::Nothing,
        }
    }

    fn field(&mut self, schema: &Arc<FactSchema>, name: &str, at: Position) -> Known {
        match schema.field(name) {
            Some(FieldSchema { kind: FieldType::Nested(inner), .. }) => Known::Record(Arc::clone(inner)),
            Some(field) => Known::Field(field.clone()),
            None => {
                self.report("unknown_field", at, schema.unknown_field(name));
                Known::Nothing
            }
        }
    }

    /// A comparison of a field with a value that it never has.
    fn comparison(&mut self, call: &FnCallExpr, at: Position) {
        let [left, right] = &*call.args else { return };
        if !["==", "!=", "<", "<=", ">", ">="].contains(&call.name.as_str()) {
            return;
        }
        for (path, literal) in [(left, right), (right, left)] {
            let (Expr::Dot(pair, ..), Some(value)) = (path, literal.get_literal_value(None)) else { continue };
            let found = self.problems.len();
            let known = self.chain(pair);
            // The chain itself is checked where it is walked.
            self.problems.truncate(found);
            if let Known::Field(field) = known
                && let Some(message) = never_equal(&field, &value)
            {
                let place = if literal.position().is_none() { at } else { literal.position() };
                self.report("never_true", place, message);
            }
        }
    }

    fn known_function(&mut self, call: &FnCallExpr, at: Position, receivers: usize) {
        let (name, given) = (call.name.as_str(), call.args.len() + receivers);
        if call.is_operator_call() || self.functions.contains(&(name.to_owned(), given)) {
            return;
        }
        let mut arities: Vec<usize> =
            self.functions.iter().filter(|f| f.0 == name).map(|f| f.1 - receivers.min(f.1)).collect();
        arities.sort_unstable();
        arities.dedup();
        if arities.is_empty() {
            let message = format!("there is no function `{name}`{}", self.suggest_function(name));
            self.report("unknown_function", at, message);
        } else {
            let wanted = arities.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
            let message = format!("`{name}` takes {wanted} argument(s), {} given", call.args.len());
            self.report("wrong_arguments", at, message);
        }
    }

    /// Suggests what this decision has before what else there is.
    fn suggest_function(&self, name: &str) -> String {
        let own = suggest(name, self.decision.spec().effects);
        if !own.is_empty() {
            return own;
        }
        suggest(name, self.functions.iter().map(|f| f.0.as_str()).filter(|n| n.starts_with(char::is_alphabetic)))
    }

    /// A script is not blamed for what nobody can tell at the moment.
    fn may_be_user(&self, name: &str) -> bool {
        self.host.user_exists(name).unwrap_or(true)
    }

    fn call(&mut self, call: &FnCallExpr, at: Position, in_test: bool) {
        self.known_function(call, at, 0);
        let name = call.name.as_str();
        let is_effect = EFFECTS.contains(&(name, call.args.len()));
        if is_effect && !self.decision.spec().effects.contains(&name) && !in_test {
            self.report("wrong_effect", at, wrong_effect(name, self.decision));
        }
        let Some((given, place)) = call.args.first().and_then(|a| Some((text_literal(a)?, a.position()))) else {
            return;
        };
        match name {
            "assign" if !self.host.team_exists(given) => {
                let message = format!("there is no team \"{given}\"{}", suggest(given, self.host.team_names()));
                self.missing_team(given, place, message);
            }
            "assign_to" if !self.may_be_user(given) => {
                self.report("unknown_user", place, format!("there is no user \"{given}\""));
            }
            "notify" if !self.host.team_exists(given) && !self.may_be_user(given) => {
                let message = format!("there is no team or user \"{given}\"{}", suggest(given, self.host.team_names()));
                self.missing_team(given, place, message);
            }
            "table" | "matrix" if self.host.table(given).is_none() => {
                let message = format!("there is no table \"{given}\"{}", suggest(given, self.host.table_names()));
                self.report("unknown_table", place, message);
            }
            "matrix" => self.matrix(given, at, place),
            _ => {}
        }
    }

    /// A team that is not there; a script that asks whether it is expects it to be missing.
    fn missing_team(&mut self, team: &str, place: Position, message: String) {
        self.report("unknown_team", place, message);
        if let Some(problem) = self.problems.last_mut().filter(|_| self.asked.contains(team)) {
            problem.severity = Severity::Warning;
        }
    }

    /// A table that is no matrix: of another key, or without a whole number after it.
    fn matrix(&mut self, name: &str, at: Position, place: Position) {
        let Some(table) = self.host.table(name) else { return };
        let head = table.head();
        if head.keys != 2 {
            let message = format!("table `{name}` is looked up by {} value(s), matrix gives 2", head.keys);
            self.report("wrong_arguments", at, message);
        } else if head.columns.get(2).is_none_or(|column| column.kind != ColumnType::Int) {
            let message = format!("the column after the key of table `{name}` must be a whole number");
            self.report("wrong_type", place, message);
        }
    }
}

/// Whether an expression is the rest of a chain of dots that starts further left.
fn inside_chain(path: &[ASTNode], expr: &Expr) -> bool {
    match path.iter().rev().nth(1) {
        Some(ASTNode::Expr(Expr::Dot(parent, ..))) => std::ptr::eq(&raw const parent.rhs, expr),
        _ => false,
    }
}

fn text_literal(expr: &Expr) -> Option<&str> {
    if let Expr::StringConstant(text, _) = expr { Some(text.as_str()) } else { None }
}
