//! Case tables: `fn cases() { [ #{ name: "…", record: #{ … }, expect: … }, … ] }`, in which each row is a test of its own.
//!
//! **Invariant:** what is wrong with one row says nothing about the others: each is made by a function of its own, with
//! what stands before the list.

use std::sync::Arc;

use rhai::{Dynamic, Expr, Position, ScriptFuncDef, Stmt, StmtBlock};

use super::{
    context::{Context, Native, mistake},
    functions::cases::{CASES, Row},
    syntax::named,
    validate::script::Function,
    woven,
};
use crate::error::{Error, Result};

/// What a case table has to be.
pub const WRITTEN_OUT: &str =
    "a case table is a list that is written out: `[ #{ name: \"…\", record: #{ … }, expect: … }, … ]`";

/// A row.
pub struct Case {
    /// Its name.
    pub name: String,
    /// Where it starts.
    pub at: Position,
    /// The function that makes it. No script can call it.
    pub function: ScriptFuncDef,
    written: Arc<Expr>,
}

/// What stands before the list of rows, and the rows; nothing where the function doesn't end in a list that is written out.
pub fn table(function: &Function) -> Option<(&[Stmt], &[Expr])> {
    let (Stmt::Expr(list), before) = function.body.split_last()? else { return None };
    if let Expr::Array(rows, _) = &**list { Some((before, rows)) } else { None }
}

/// What a row says, with the places of the words; nothing where it isn't written out.
pub fn said(row: &Expr) -> Option<impl Iterator<Item = (&str, &Expr, Position)>> {
    let Expr::Map(map, _) = row else { return None };
    Some(map.0.iter().map(|(word, said)| (word.name.as_str(), said, word.pos)))
}

/// The name that a row gives itself.
pub fn name(row: &Expr) -> Option<&str> {
    let (_, name, _) = said(row)?.find(|(key, ..)| *key == "name")?;
    if let Expr::StringConstant(name, _) = name { Some(name) } else { None }
}

impl Case {
    /// The rows of a script's case table.
    ///
    /// # Errors
    /// It isn't written out, so that its rows can't be told apart.
    pub fn all(function: &Function) -> Result<Vec<Case>> {
        let unreadable = || Error::invalid("/source", "wrong_type", WRITTEN_OUT);
        let (before, rows) = table(function).ok_or_else(unreadable)?;
        let before = woven::block(StmtBlock::new(before.iter().cloned(), function.start, function.end));
        let case = |(number, row): (usize, &Expr)| {
            let (number, written) = (number + 1, Arc::new(row.clone()));
            let woven = woven::function(&function.definition, [Arc::clone(&before), Arc::clone(&written)])?;
            let name = name(row).map_or_else(|| format!("{CASES}, row {number}"), str::to_owned);
            let function = ScriptFuncDef { name: format!("{CASES}${number}").into(), ..woven };
            Ok(Case { name, at: row.position(), function, written })
        };
        rows.iter().enumerate().map(case).collect()
    }

    /// Makes the decision on what the row says, and refuses another outcome than it expects.
    pub fn check(&self, context: &Context, row: &Dynamic) -> Native<()> {
        let no_map = |_| mistake("wrong_type", format!("a case is `#{{ … }}`; this is {}", named(row)), self.at);
        Row { said: &*row.as_map_ref().map_err(no_map)?, place: &|word| self.place(word) }.run(context)
    }

    /// Where the row says something; where it starts, if it doesn't.
    fn place(&self, word: &str) -> Position {
        let found = said(&self.written).and_then(|mut said| said.find(|(key, ..)| *key == word));
        found.map_or(self.at, |(_, _, at)| at)
    }
}
