//! Problems of a script, each with its exact place.

use std::borrow::Cow;

use rhai::{EvalAltResult, ParseError, ParseErrorType, Position};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{context::Mistake, engine::FORBIDDEN, limits::MAX_SHOWN, module::Linked, tokens::Range, validate::codes};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The script can't go live.
    Error,
    /// It can, but someone should look.
    Warning,
}

/// A problem that can be seen without running the script. Lines and columns start at 1 and count characters; the end is
/// the first column after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Diagnostic {
    /// Stable reason, such as `syntax`, `unknown_field`, `unreachable`; `GET /policy-schema` lists them all.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// Where it starts.
    pub line: usize,
    /// Where it starts.
    pub column: usize,
    /// Where it ends.
    pub end_line: usize,
    /// Where it ends.
    pub end_column: usize,
    /// One sentence.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Diagnostic {
    /// A problem over the word (or the single character) at a place, as bad as the table of codes says.
    pub fn at(code: &str, place: Position, source: &str, message: impl Into<String>) -> Self {
        let (line, column) = (place.line().unwrap_or(1), place.position().unwrap_or(1).max(1));
        let end = (line, column + word_length(source, line, column));
        Diagnostic::over(code, Range { start: (line, column), end }, message)
    }

    /// A problem over a range, as bad as the table of codes says.
    pub(super) fn over(code: &str, range: Range, message: impl Into<String>) -> Self {
        let message = message.into();
        let suggestion = message.split_once("did you mean `").and_then(|(_, s)| s.split('`').next()).map(str::to_owned);
        let ((line, column), (end_line, end_column)) = (range.start, range.end);
        let severity = codes::severity(code);
        Diagnostic { code: code.to_owned(), severity, line, column, end_line, end_column, message, suggestion }
    }
}

impl Diagnostic {
    /// As compilers say it: `path:line:column: level[code]: message`.
    pub fn told(&self, path: &str) -> String {
        let level = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Diagnostic { line, column, code, message, .. } = self;
        format!("{path}:{line}:{column}: {level}[{code}]: {message}")
    }
}

/// How many characters the word, or the text literal, at a place has; 1 where there is neither.
fn word_length(source: &str, line: usize, column: usize) -> usize {
    let text = source.lines().nth(line - 1).unwrap_or_default();
    let rest = || text.chars().skip(column - 1);
    if rest().next() == Some('"') {
        return rest().skip(1).position(|c| c == '"').map_or(1, |at| at + 2);
    }
    rest().take_while(|c| c.is_alphanumeric() || *c == '_').count().max(1)
}

/// The problem that Rhai's parser found.
#[expect(clippy::wildcard_enum_match_arm, reason = "Rhai's enum is open: new variants are syntax errors too")]
pub fn from_parse_error(error: &ParseError, source: &str) -> Diagnostic {
    let code = match error.err_type() {
        ParseErrorType::Reserved(_) => "forbidden_word",
        ParseErrorType::VariableUndefined(_) => "unknown_variable",
        ParseErrorType::ExprTooDeep | ParseErrorType::TooManyFunctions | ParseErrorType::LiteralTooLarge(..) => {
            "too_large"
        }
        _ => "syntax",
    };
    let end = Position::new(u16::try_from(source.lines().count().max(1)).unwrap_or(u16::MAX), 1);
    let place = if error.position().is_none() { end } else { error.position() };
    let mut problem = Diagnostic::at(code, place, source, error.err_type().to_string());
    let word: String = source
        .lines()
        .nth(problem.line - 1)
        .unwrap_or_default()
        .chars()
        .skip(problem.column - 1)
        .take(problem.end_column - problem.column)
        .collect();
    if word == "use" {
        problem.message = "`use \"module\";` stands in a policy before its first function".to_owned();
    }
    if FORBIDDEN.contains(&word.as_str()) {
        problem.code = "forbidden_word".to_owned();
        problem.message = format!("policies can't use `{word}`");
    }
    problem
}

/// Why a run ended badly, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunError {
    /// Stable reason, such as `limit`, `unknown_team`, `wrong_type`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// The line of the script, from 1; 0 when no place is known.
    pub line: usize,
    /// The column, from 1, in characters; 0 when no place is known.
    pub column: usize,
}

impl RunError {
    /// The same at the word: for fields that only the indexer knows Rhai gives the place of the dot before it.
    #[must_use]
    pub(super) fn at_word(mut self, source: &str) -> RunError {
        let line = source.lines().nth(self.line.wrapping_sub(1)).unwrap_or_default();
        let before_it = line.chars().skip(self.column.saturating_sub(1)).take_while(|c| matches!(c, '.' | '?')).count();
        self.column += before_it;
        self
    }
    /// The same, at a place if it has none of its own.
    #[must_use]
    pub(super) fn or_at(mut self, at: Position) -> RunError {
        if self.line == 0 {
            (self.line, self.column) = place(at);
        }
        self
    }
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (line {}, column {})", self.message, self.line, self.column)
    }
}

/// The beginning of a text that is too long to be shown whole.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_SHOWN {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(MAX_SHOWN)]))
}

/// The innermost error, where it was made; one of a module where the script called it.
pub fn from_run_error(error: EvalAltResult, script: &Linked) -> RunError {
    if let EvalAltResult::ErrorInFunctionCall(_, _, inner, at) = error {
        let mut found = from_run_error(*inner, script);
        if let Some((module, line)) = script.in_module(found.line)
            && script.in_module(place(at).0).is_none()
        {
            found.message = format!("{} (module `{module}`, line {line})", found.message);
            found.line = 0;
        }
        if found.line == 0 {
            (found.line, found.column) = place(at);
        }
        return found;
    }
    let (line, column) = place(error.position());
    let (code, message) = explain(error);
    RunError { code: code.to_owned(), message: shortened(&message).into_owned(), line, column }
}

fn place(at: Position) -> (usize, usize) {
    (at.line().unwrap_or(0), at.position().unwrap_or(0))
}

/// The code that says a limit ended the run.
pub const LIMIT: &str = "limit";

/// The code that says a script is about another kind of records than it may be.
pub const WRONG_KIND: &str = "wrong_kind";

/// The code that says a policy was not asked, because consequences had gone too deep.
pub const LOOP: &str = "loop";

/// The code that says a policy was not asked, because it went over its limits too often.
pub const UNASKED: &str = "not_asked";

/// The code of the error of a stored version that does not compile.
pub const UNCOMPILED: &str = "does_not_compile";

/// The code that says a test came to something else than it expects.
pub const EXPECTATION: &str = "expectation";

#[expect(clippy::wildcard_enum_match_arm, reason = "Rhai's enum is open: new variants are faults of the script too")]
fn explain(error: EvalAltResult) -> (&'static str, String) {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => match value.clone().try_cast::<Mistake>() {
            Some(mistake) => (mistake.code, mistake.message),
            None => ("script", value.to_string()),
        },
        EvalAltResult::ErrorTerminated(why, _) => (LIMIT, why.to_string()),
        EvalAltResult::ErrorTooManyOperations(_) => (LIMIT, "the script was stopped: it takes too many steps".into()),
        EvalAltResult::ErrorStackOverflow(_) => (LIMIT, "the script was stopped: functions call too deep".into()),
        EvalAltResult::ErrorTooManyVariables(_) => (LIMIT, "the script was stopped: it has too many variables".into()),
        EvalAltResult::ErrorDataTooLarge(what, _) => {
            (LIMIT, format!("the script was stopped: {} is over the limit", what.to_lowercase()))
        }
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            ("unknown_function", format!("there is no function {signature}"))
        }
        EvalAltResult::ErrorDotExpr(text, _) if text.contains("'()'") => {
            ("empty_value", "what stands before the dot is empty; `?.` allows for that".to_owned())
        }
        EvalAltResult::ErrorDotExpr(text, _) => ("unknown_property", text),
        EvalAltResult::ErrorMismatchDataType(..) | EvalAltResult::ErrorMismatchOutputType(..) => {
            ("wrong_type", error.unwrap_inner().to_string())
        }
        other => ("script", other.unwrap_inner().to_string()),
    }
}
