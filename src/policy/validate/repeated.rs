//! Rules that have the same name: whoever reads an explanation can't tell which one fitted.

use std::collections::HashSet;

use rhai::{ASTNode, Expr};

use super::{Problems, Script, script::each_node};
use crate::policy::syntax::rule;

/// Looks at the names of all rules.
pub fn rules(script: &Script, problems: &mut Problems) {
    let mut names = HashSet::new();
    for function in script.functions {
        each_node(&function.body, |node| {
            if let ASTNode::Expr(expr @ Expr::Custom(..)) = node
                && let Some(rule) = rule(expr)
                && !names.insert(rule.name.to_owned())
            {
                let message = || format!("there is another rule \"{}\": explanations name rules", rule.name);
                problems.add("duplicate_rule", script.word(rule.at), message);
            }
        });
    }
}
