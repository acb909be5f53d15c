//! Chains of dots and brackets: each step is checked against what is known of what stands before it.

use rhai::{ASTFlags, BinaryExpr, Expr};

use super::{
    fields,
    known::{Known, Sort, path},
    names,
    walk::Walk,
};

impl Walk<'_, '_> {
    /// Follows a chain of dots and brackets.
    pub(super) fn rest<'e>(&mut self, known: &Known, steps: &mut Vec<&'e Expr>, rest: &'e Expr, elvis: bool) -> Known {
        if let Some(before) = steps.last() {
            self.reached(known, before, elvis);
        }
        let (Expr::Dot(pair, flags, _) | Expr::Index(pair, flags, _)) = rest else {
            let mut next = self.step(known, rest);
            next.may_be_empty |= elvis && known.may_be_empty;
            return next;
        };
        steps.push(&pair.lhs);
        let step = self.step(known, &pair.lhs).at(|| joined(steps));
        let next_elvis = flags.contains(ASTFlags::NEGATED);
        let mut next = if matches!(rest, Expr::Dot(..)) {
            self.rest(&step, steps, &pair.rhs, next_elvis)
        } else {
            self.indexed(&step, &pair.lhs, pair, next_elvis)
        };
        next.may_be_empty |= elvis && known.may_be_empty;
        next
    }

    pub(super) fn indexed(&mut self, known: &Known, before: &Expr, pair: &BinaryExpr, elvis: bool) -> Known {
        self.reached(known, before, elvis);
        if let (Sort::Record(schema), Expr::StringConstant(name, at)) = (&known.sort, &pair.rhs) {
            let range = self.script.word(*at);
            return fields::field(self, schema, name, range);
        }
        // What follows the bracket hangs below the index: nothing is known of it.
        self.unknown_chain(&pair.rhs);
        Known::ANY
    }

    /// Walks what stands in a chain whose start is not known.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other expression is one of its own")]
    fn unknown_chain(&mut self, rest: &Expr) {
        match rest {
            Expr::Dot(pair, ..) | Expr::Index(pair, ..) => {
                self.unknown_chain(&pair.lhs);
                self.unknown_chain(&pair.rhs);
            }
            Expr::MethodCall(..) => drop(self.step(&Known::ANY, rest)),
            Expr::Property(..) => {}
            other => drop(self.expr(other)),
        }
    }

    /// A dot after something that may be empty.
    fn reached(&mut self, known: &Known, before: &Expr, elvis: bool) {
        if elvis || !known.may_be_empty || self.in_test() || self.is_there(known) {
            return;
        }
        let range = self.script.word(before.position());
        let what = known.path.clone().unwrap_or_else(|| "this".to_owned());
        self.report("may_be_empty", range, || {
            format!("`{what}` may be empty; write `{what}?.` or ask for it first: `{what} != ()`")
        });
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other expression is one of its own")]
    fn step(&mut self, known: &Known, next: &Expr) -> Known {
        match next {
            Expr::Property(name, at) => {
                let range = self.script.word(*at);
                fields::property(self, known, &name.2, range)
            }
            Expr::MethodCall(call, at) => {
                self.arguments(call);
                let range = self.script.word(*at);
                names::method(self, call, range);
                fields::method(self, known, call, range)
            }
            other => {
                self.unknown_chain(other);
                Known::ANY
            }
        }
    }
}

/// How steps reach a value without a call.
fn joined(steps: &[&Expr]) -> Option<String> {
    Some(steps.iter().map(|step| path(step)).collect::<Option<Vec<_>>>()?.join("."))
}
