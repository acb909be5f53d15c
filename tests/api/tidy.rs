//! The house rules that no compiler knows, read from the sources.

use std::{collections::BTreeSet, path::Path};

use crate::support::golden::source;

/// Lines that a source file may have, and one that tests.
const LONGEST: usize = 500;
const LONGEST_TEST: usize = 600;

/// Layers, the upper first. A module may use those of its own layer and below.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["assembly"],
    &["http", "jobs", "integration", "replay", "demo"],
    &["policy"],
    &["practice"],
    &["record"],
    &["auth", "db", "id", "clock", "schema", "telemetry"],
    &["config"],
    &["error"],
];

/// Every Rust file under a folder, with its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut folders) = (Vec::new(), vec![root.join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.push((name.clone(), source(&name)));
            }
        }
    }
    found.sort();
    found
}

fn is_test(file: &str) -> bool {
    let names =
        ["tests.rs", "attacks.rs", "semantics.rs", "bench.rs", "shipped.rs", "http/support.rs", "http/house.rs"];
    file.starts_with("tests/")
        || file.contains("/tests/")
        || names.iter().any(|name| file.ends_with(&format!("/{name}")))
}

/// The text without its unit tests.
fn before_tests(text: &str) -> &str {
    // Tests stand at the end; `#[cfg(test)] mod attacks;` in a list of modules ends nothing.
    let is_end = |at: &usize| text[*at..].lines().nth(1).is_some_and(|next| !next.ends_with(';'));
    let end = text.match_indices("#[cfg(test)]").map(|(at, _)| at).find(is_end);
    &text[..end.unwrap_or(text.len())]
}

/// The text without its unit tests, comments and string literals.
fn code(text: &str) -> String {
    let mut plain = String::new();
    for line in before_tests(text).lines() {
        let mut inside = false;
        let mut last = ' ';
        let quoted = line
            .split_once("//")
            .map_or(line, |(code, _)| if code.matches('"').count() % 2 == 0 { code } else { line });
        for c in quoted.chars() {
            if c == '"' && last != '\\' && last != '\'' {
                inside = !inside;
            } else if !inside {
                plain.push(c);
            }
            last = c;
        }
        plain.push('\n');
    }
    plain
}

/// The module at the top that a file belongs to.
fn module(file: &str) -> String {
    let inner = file.trim_start_matches("src/");
    inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs").to_owned()
}

/// The paths after `crate::` in a text, groups in braces taken apart one level deep.
fn used(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let squeezed: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    for rest in squeezed.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut path) = (0, String::new());
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.insert(std::mem::take(&mut path));
                        continue;
                    }
                    _ => (),
                }
                path.push(c);
            }
            found.insert(path);
        } else {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect());
        }
    }
    found
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

#[test]
fn imports_run_one_way() {
    let mut faults = Vec::new();
    for (file, text) in sources("src") {
        let own = module(&file);
        if own == "lib" || is_test(&file) {
            continue;
        }
        let Some(from) = layer(&own) else {
            faults.push(format!("{file}: `{own}` stands in no layer; give it one in tests/api/tidy.rs"));
            continue;
        };
        for path in used(&code(&text)) {
            let to = path.split("::").next().unwrap_or_default();
            if layer(to).is_some_and(|to| to < from) {
                faults.push(format!("{file}: `{own}` must not use `crate::{path}`"));
            }
            if let Some(practice) =
                file.strip_prefix("src/practice/").and_then(|rest| rest.split_once('/')).map(|(name, _)| name)
            {
                let other = path.strip_prefix("practice::");
                if other.is_some_and(|other| !other.starts_with(practice)) {
                    faults.push(format!("{file}: practices meet through links, events and kinds, not `crate::{path}`"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_own() {
    let mut faults = Vec::new();
    for (file, text) in sources("src").into_iter().chain(sources("tests")) {
        // One table after the other; nobody reads it from the beginning to the end.
        let most = if file == "src/schema.rs" {
            usize::MAX
        } else if is_test(&file) {
            LONGEST_TEST
        } else {
            LONGEST
        };
        let lines = text.lines().count();
        if lines > most {
            faults.push(format!("{file} has {lines} lines; {most} are allowed"));
        }
        if !text.starts_with("//! ") {
            faults.push(format!("{file} does not begin with what it owns (`//!`)"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_must_not_be_written_is_not() {
    let everywhere = ["todo!", "unimplemented!", "dbg!(", "#[allow(", "#![allow(", "unsafe "];
    let in_server = [".unwrap()", "println!", "eprintln!", "Utc::now", "SystemTime::now", "panic!("];
    let mut faults = Vec::new();
    for (file, text) in sources("src") {
        if is_test(&file) {
            continue;
        }
        let code = code(&text);
        let on_screen = file.starts_with("src/cli/");
        let is_clock = file == "src/clock.rs";
        for words in everywhere.iter().chain(&in_server) {
            let printing = on_screen && words.contains("print");
            let asking = is_clock && words.contains("::now");
            if code.contains(words) && !printing && !asking {
                faults.push(format!("{file} holds `{words}`"));
            }
        }
        let raw = ["sql_query(", "dsl::sql::", "batch_execute("];
        let told = ["catalogue", "compile", "list", "service_level/attainment", "tally", "twin", "visibility"]
            .map(|name| format!("src/record/{name}.rs"));
        let may = file.starts_with("src/db/") || told.contains(&file);
        for words in raw.iter().filter(|words| !may && code.contains(**words)) {
            faults.push(format!("{file} holds raw SQL: `{words}`"));
        }
        // In a literal, which `code` is without.
        if !may && before_tests(&text).contains("SELECT ") {
            faults.push(format!("{file} holds the text of a query"));
        }
        for words in ["TODO", "FIXME", "XXX"].iter().filter(|words| text.contains(**words)) {
            faults.push(format!("{file} holds `{words}`"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_sources_name_no_place_where_they_were_made() {
    // In two parts, so that this file does not name them.
    let words = [("/wo", "rk/"), ("/ro", "ot/"), ("/tmp/", "wt"), ("inte", "rnal.corp"), ("work", "tree")];
    for (file, text) in sources("src").into_iter().chain(sources("tests")) {
        for (one, other) in words {
            assert!(!text.contains(&format!("{one}{other}")), "{file} names {one}{other}");
        }
    }
}

#[test]
fn only_the_write_path_writes_the_state_of_a_record() {
    for (file, text) in sources("src") {
        let written = ["record::state.eq(", "update(record::table"];
        let may = file == "src/record/pending.rs" || is_test(&file);
        for words in written.iter().filter(|words| !may && code(&text).contains(*words)) {
            let sets = code(&text).contains(".set(");
            assert!(!(sets && *words == "update(record::table"), "{file} updates records beside the write path");
        }
    }
}
