//! What scripts can call, read from the engine itself, for whoever writes them or builds an editor.

use std::{collections::BTreeMap, fs, path::Path};

use rhai::Engine;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    decision::{DECISIONS, Decision},
    engine::{self, FORBIDDEN, PACKAGES, Part},
    functions::{
        EFFECTS, is_only_in_tests,
        reference::{self, Row},
    },
};
use crate::error::{Error, Result};

pub use super::functions::cases::{CASE_WORDS, CaseWord};

/// What scripts can call.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyFunctions {
    /// The functions of this server.
    pub functions: Vec<PolicyFunction>,
    /// Rhai's own functions, in groups.
    pub rhai: Vec<RhaiFunctionGroup>,
}

/// A function of this server.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyFunction {
    /// Its name; that of a property or an operator where it is one.
    pub name: &'static str,
    /// How it is written.
    pub form: FunctionForm,
    /// Names and types: `minutes_since(later: time, earlier: time) -> number`. What may be left out stands in `[]`.
    pub signature: String,
    /// What it takes. The first may stand before a dot: `incident.mentions("mail")`.
    pub parameters: Vec<FunctionParameter>,
    /// The type of what it gives: `decision`, `bool`, `number`, `text`, `time`, `record`, `table`, `outcome`, `any` or `nothing`.
    pub result: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// How it is used.
    pub example: &'static str,
    /// The decisions whose scripts may use it.
    pub decisions: Vec<Decision>,
    /// Whether it is only there in `test_*` functions.
    pub only_in_tests: bool,
}

/// How a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunctionForm {
    /// `name(…)`, or `first.name(…)`.
    Function,
    /// `first.name`.
    Property,
    /// `first < second`.
    Operator,
}

/// What a function takes.
#[derive(Debug, Serialize, ToSchema)]
pub struct FunctionParameter {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether it must be given.
    pub required: bool,
}

/// Functions of Rhai that belong together.
#[derive(Debug, Serialize, ToSchema)]
pub struct RhaiFunctionGroup {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// The functions, by name.
    pub functions: Vec<RhaiFunction>,
}

/// A function of Rhai.
#[derive(Debug, Serialize, ToSchema)]
pub struct RhaiFunction {
    /// Its name.
    pub name: String,
    /// What Rhai says of it, in a sentence; empty for operators that say nothing.
    pub doc: String,
    /// Each way to call it, as Rhai writes it.
    pub signatures: Vec<String>,
}

/// What scripts can call.
pub fn functions() -> PolicyFunctions {
    PolicyFunctions { functions: reference::functions().map(own).collect(), rhai: PACKAGES.iter().map(group).collect() }
}

/// Whether a function is only there in tests.
fn only_in_tests(row: &Row) -> bool {
    is_only_in_tests(row.name) || DECISIONS.iter().any(|d| d.function == row.name)
}

/// The decisions whose scripts may use a function.
fn decisions(row: &Row) -> Vec<Decision> {
    let is_effect = EFFECTS.iter().any(|(name, _)| *name == row.name);
    let made = DECISIONS.iter().any(|d| d.function == row.name);
    let may =
        DECISIONS.iter().filter(|d| (!is_effect || d.effects.contains(&row.name)) && (!made || d.function == row.name));
    may.map(|d| d.decision).collect()
}

fn form(row: &Row) -> FunctionForm {
    match row.name {
        "hour" | "weekday" => FunctionForm::Property,
        name if name.starts_with(char::is_alphabetic) => FunctionForm::Function,
        _ => FunctionForm::Operator,
    }
}

fn own(row: &'static Row) -> PolicyFunction {
    let parameter = |(at, &(name, kind)): (usize, &(&'static str, &'static str))| FunctionParameter {
        name,
        kind,
        required: at < row.needs,
    };
    PolicyFunction {
        name: row.name,
        form: form(row),
        signature: signature(row),
        parameters: row.params.iter().enumerate().map(parameter).collect(),
        result: row.gives,
        doc: row.doc,
        example: row.example,
        decisions: decisions(row),
        only_in_tests: only_in_tests(row),
    }
}

fn signature(row: &Row) -> String {
    let written =
        row.params.iter().enumerate().map(|(at, (name, kind))| {
            if at < row.needs { format!("{name}: {kind}") } else { format!("[{name}: {kind}]") }
        });
    format!("{}({}) -> {}", row.name, written.collect::<Vec<_>>().join(", "), row.gives)
}

fn group(part: &Part) -> RhaiFunctionGroup {
    let mut engine = Engine::new_raw();
    (part.register)(&mut engine);
    let told = engine.collect_fn_metadata(
        None,
        |f| {
            let name = f.metadata.name.strip_prefix("get$").unwrap_or(&f.metadata.name).to_owned();
            let doc = f.metadata.comments.first().map(|c| sentence(c)).unwrap_or_default();
            let signature = f.metadata.gen_signature(|kind| kind.into());
            let callable = !name.contains('$') && !FORBIDDEN.contains(&name.as_str());
            callable.then_some((name, doc, signature))
        },
        true,
    );
    let mut by_name: BTreeMap<String, RhaiFunction> = BTreeMap::new();
    for (name, doc, signature) in told {
        let function = by_name.entry(name.clone()).or_insert_with(|| RhaiFunction {
            name,
            doc: String::new(),
            signatures: Vec::new(),
        });
        if function.doc.is_empty() {
            function.doc = doc;
        }
        function.signatures.push(signature);
    }
    let functions = by_name.into_values().map(|mut function| {
        function.signatures.sort();
        function.signatures.dedup();
        function
    });
    RhaiFunctionGroup { name: part.name, doc: part.doc, functions: functions.collect() }
}

/// The first sentence of a comment of Rhai's.
fn sentence(comment: &str) -> String {
    let lines = comment.lines().map(|line| line.trim_start_matches('/').trim());
    let first = lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    first.split_inclusive(". ").next().unwrap_or_default().trim().to_owned()
}

/// Writes Rhai definition files, by which editors complete and explain what scripts can call; gives their names.
///
/// # Errors
/// The folder can't be written.
pub fn write_definitions(folder: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(folder).map_err(Error::internal)?;
    let mut written = Vec::new();
    for (name, text) in definitions() {
        fs::write(folder.join(&name), text).map_err(Error::internal)?;
        written.push(name);
    }
    Ok(written)
}

/// Names and texts of the definition files. Those of the language itself are left out: they tell of words that policies
/// can't use.
fn definitions() -> Vec<(String, String)> {
    engine::with(|e| {
        let definitions = e.definitions().with_headers(true);
        let own = ("pointsman.d.rhai".to_owned(), callable(&definitions.static_module()));
        vec![own, ("operators.d.rhai".to_owned(), definitions.builtin_functions_operators())]
    })
}

/// The definitions without those of words that policies can't use. Where Rhai does not know what a function gives, it may be
/// anything.
fn callable(definitions: &str) -> String {
    let (mut kept, mut comments) = (String::new(), String::new());
    for line in definitions.lines() {
        let name = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next());
        if line.starts_with("//") {
            comments.push_str(line);
            comments.push('\n');
            continue;
        }
        if !name.is_some_and(|name| FORBIDDEN.contains(&name)) {
            kept.push_str(&comments);
            kept.push_str(&line.replace(" -> ;", " -> ?;"));
            kept.push('\n');
        }
        comments.clear();
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use super::*;
    use crate::policy::{
        evaluate::{Input, evaluate},
        facts,
        functions::test_clock,
        host::Host,
        library::Library,
        program::compile,
        runner::on_ample_stack,
        testing::run_tests,
    };

    #[test]
    fn each_registered_function_is_documented_and_each_documented_one_is_registered() {
        let registered: BTreeSet<(String, usize)> = engine::with(|e| {
            e.collect_fn_metadata(None, |f| Some((f.metadata.name.to_string(), f.metadata.num_params)), false)
        })
        .into_iter()
        .collect();
        let fields: BTreeSet<String> = facts::Schemas::shipped()
            .all()
            .cloned()
            .chain(facts::all_beside())
            .flat_map(|s| s.all_fields().into_iter().map(|(_, f)| format!("get${}", f.name)).collect::<Vec<_>>())
            .collect();
        let documented: BTreeSet<(String, usize)> = reference::functions()
            .flat_map(|row| {
                let name =
                    if form(row) == FunctionForm::Property { format!("get${}", row.name) } else { row.name.into() };
                (row.needs..=row.params.len()).map(move |n| (name.clone(), n))
            })
            .collect();
        let plain = |(name, _): &&(String, usize)| !fields.contains(name) && !name.starts_with("index$");
        let registered: BTreeSet<_> = registered.iter().filter(plain).cloned().collect();
        assert_eq!(registered, documented);
    }

    /// The script that shows an example, and whether it does so in a test.
    fn script(row: &Row, decision: Decision) -> String {
        let (spec, kind) = (decision.spec(), decision.first_kind());
        let arguments = [kind].into_iter().chain(spec.beside()).collect::<Vec<_>>().join(", ");
        let (says, example) = match decision {
            Decision::Priority => ("priority(2)", row.example),
            Decision::Routing => ("assign(\"service-desk\")", row.example),
            Decision::Guard => ("allow()", row.example),
            Decision::Escalation => ("page(\"service-desk\")", row.example),
            Decision::AssessRisk => ("risk(\"medium\")", row.example),
            Decision::Approve => ("approve()", row.example),
        };
        if only_in_tests(row) {
            return format!("fn {}({arguments}) {{ {says} }}\nfn test_example() {{ {example}; }}", spec.function);
        }
        format!("fn {}({arguments}) {{ {example} }}", spec.function)
    }

    #[test]
    fn the_example_of_each_function_runs_for_each_decision_that_may_use_it() {
        let host: Arc<dyn Host> = Arc::new(Library::shipped().unwrap().offline());
        for row in reference::functions() {
            assert!(row.doc.ends_with('.') && row.example.contains(row.name), "{}", row.name);
            // What is shown with an incident is shown by the decisions that are asked about incidents.
            let of_incidents = row.example.contains("incident");
            let kinds = |decision: &Decision| !of_incidents || decision.first_kind() == "incident";
            for decision in decisions(row).into_iter().filter(kinds) {
                let schema = facts::Schemas::shipped().of(decision.first_kind());
                let source = script(row, decision);
                let beside = decision.spec().beside().and_then(facts::beside).map(|schema| schema.made_up());
                let input = Input { beside, ..Input::new(schema.made_up(), test_clock()) };
                on_ample_stack(|| {
                    let program = Arc::new(compile(&source, decision).unwrap_or_else(|e| panic!("{source}: {e:?}")));
                    if only_in_tests(row) {
                        let results = run_tests(&program, schema, &host);
                        assert!(results.len() == 1 && results[0].passed, "{source}: {results:?}");
                    } else {
                        let evaluation = evaluate(&program, &input, &host);
                        assert_eq!(evaluation.error, None, "{source}");
                    }
                })
                .unwrap();
            }
        }
    }

    #[test]
    fn rhais_own_functions_are_told_in_groups() {
        let told = functions();
        let find = |name: &str| told.rhai.iter().flat_map(|g| &g.functions).find(|f| f.name == name);
        assert!(find("to_upper").unwrap().doc.starts_with("Convert"), "{:?}", find("to_upper"));
        assert!(!find("len").unwrap().signatures.is_empty());
        for word in ["eval", "sleep", "print", "parse_json"] {
            assert!(find(word).is_none(), "{word}");
        }
        assert!(told.rhai.iter().all(|g| g.doc.ends_with('.') && !g.functions.is_empty()));
    }

    /// Whether a line of a definition file is a comment, the head, or one definition.
    fn is_definition(line: &str) -> bool {
        let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("op ")) else {
            return line.is_empty() || line.starts_with("//") || line == "module static;";
        };
        let Some((head, result)) = rest.rsplit_once(" -> ") else { return false };
        let balanced = |open: char, close: char| head.matches(open).count() == head.matches(close).count();
        head.contains('(') && head.ends_with(')') && balanced('(', ')') && result.len() > 1 && result.ends_with(';')
    }

    #[test]
    fn definitions_are_written_line_by_line_and_tell_of_what_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write_definitions(&folder.path().join("new")).unwrap(), ["pointsman.d.rhai", "operators.d.rhai"]);
        let text = fs::read_to_string(folder.path().join("new/pointsman.d.rhai")).unwrap();
        let strange: Vec<&str> = text.lines().filter(|line| !is_definition(line)).collect();
        assert!(text.starts_with("module static;\n") && strange.is_empty(), "{strange:?}");
        for line in [
            "fn assign(team: String) -> decision;",
            "fn mentions(record: record, phrase: String, phrase2: String) -> bool;",
            "fn get urgency(record: record) -> ?;",
            "/// incident: 1 is the most pressing.",
            "fn get hour(time: time) -> int;",
            "op <(time, time) -> bool;",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}");
        }
    }
}
