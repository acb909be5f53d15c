//! A report as JUnit XML, which CI servers read: a suite for each file, a case for each test, for the check of the file and,
//! where so much is asked for, for what the tests reach.
//!
//! It is written by hand: all that a library would do is to escape, and none takes out what XML has no way to write.

use std::{fmt::Write, path::Path};

use super::{FileReport, Report};
use crate::policy::diagnostic::Severity;

/// One case of a suite.
struct Case {
    name: String,
    line: usize,
    microseconds: u64,
    /// Type, sentence and everything else there is to say.
    failure: Option<(String, String, String)>,
}

impl Report {
    /// As JUnit XML.
    pub fn junit(&self) -> String {
        let suites: Vec<(&FileReport, Vec<Case>)> = self.files.iter().map(|file| (file, file.cases())).collect();
        let cases = || suites.iter().flat_map(|(_, cases)| cases);
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        tag(&mut xml, 0, "testsuites", &counted("pointsman policy test", cases()), ">");
        for (file, cases) in &suites {
            let path = Path::new(&self.folder).join(&file.path).display().to_string();
            tag(&mut xml, 1, "testsuite", &counted(&file.path, cases.iter()), ">");
            for case in cases {
                case.write(&mut xml, &path, &file.class());
            }
            xml.push_str("  </testsuite>\n");
        }
        xml.push_str("</testsuites>\n");
        xml
    }
}

impl FileReport {
    /// `routing.incidents`
    fn class(&self) -> String {
        Path::new(&self.path).with_extension("").display().to_string().replace(['/', '\\'], ".")
    }

    fn cases(&self) -> Vec<Case> {
        let errors: Vec<_> = self.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        let told = errors.iter().map(|d| format!("{}:{}:{}: {}[{}]", self.path, d.line, d.column, d.message, d.code));
        let told = told.collect::<Vec<_>>().join("\n");
        let check = errors.first().map(|first| (first.code.clone(), first.message.clone(), told));
        let line = errors.first().map_or(1, |first| first.line);
        let mut cases = vec![Case { name: "check".to_owned(), line, microseconds: 0, failure: check }];
        cases.extend(self.tests.iter().map(|test| Case {
            name: test.name.clone(),
            line: test.line,
            microseconds: test.microseconds,
            failure: test.error.as_ref().map(|e| {
                let whole = format!("{}:{}:{}: {}", self.path, e.line, e.column, e.message);
                (e.code.clone(), e.message.clone(), whole)
            }),
        }));
        if !self.uncovered.is_empty() {
            let gaps = self.coverage.iter().flat_map(|coverage| &coverage.uncovered);
            let gaps = gaps.map(|gap| format!("{}:{}:{}: {}", self.path, gap.line, gap.column, gap.message));
            let failure = ("not_covered".to_owned(), self.uncovered.join("; "), gaps.collect::<Vec<_>>().join("\n"));
            cases.push(Case { name: "coverage".to_owned(), line: 1, microseconds: 0, failure: Some(failure) });
        }
        cases
    }
}

impl Case {
    fn write(&self, xml: &mut String, path: &str, class: &str) {
        let attributes = [
            ("name", self.name.clone()),
            ("classname", class.to_owned()),
            ("file", path.to_owned()),
            ("line", self.line.to_string()),
            ("time", seconds(self.microseconds)),
        ];
        let Some((kind, message, whole)) = &self.failure else { return tag(xml, 2, "testcase", &attributes, "/>") };
        tag(xml, 2, "testcase", &attributes, ">");
        tag(xml, 3, "failure", &[("message", message.clone()), ("type", kind.clone())], ">");
        xml.truncate(xml.trim_end().len());
        xml.push_str(&escaped(whole));
        xml.push_str("</failure>\n    </testcase>\n");
    }
}

/// What a suite, or all of them, come to.
fn counted<'a>(name: &str, cases: impl Iterator<Item = &'a Case>) -> [(&'static str, String); 6] {
    let (mut tests, mut failures, mut microseconds) = (0, 0, 0);
    for case in cases {
        tests += 1;
        failures += usize::from(case.failure.is_some());
        microseconds += case.microseconds;
    }
    [
        ("name", name.to_owned()),
        ("tests", tests.to_string()),
        ("failures", failures.to_string()),
        ("errors", "0".to_owned()),
        ("skipped", "0".to_owned()),
        ("time", seconds(microseconds)),
    ]
}

fn seconds(microseconds: u64) -> String {
    format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000)
}

fn tag(xml: &mut String, depth: usize, name: &str, attributes: &[(&str, String)], end: &str) {
    xml.push_str(&"  ".repeat(depth));
    xml.push('<');
    xml.push_str(name);
    for (name, value) in attributes {
        xml.extend([" ", name, "=\"", &escaped(value), "\""]);
    }
    xml.push_str(end);
    xml.push('\n');
}

/// Text that stands in an element or an attribute as it is. What XML can't hold at all is written as in Rust: `\u{1b}`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // In an attribute these would be read as blanks.
            '\t' | '\n' | '\r' => drop(write!(escaped, "&#{};", u32::from(c))),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => escaped.extend(c.escape_unicode()),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{coverage::Least, offline::test_folder};

    #[test]
    fn what_ci_servers_read() {
        let folder = tempfile::tempdir().unwrap();
        let script = "fn route(i) {\n    if i.impact == 1 { return leave(); }\n    assign(\"a\")\n}\n\
                      fn cases() {\n    [\n        #{ name: \"<A> & \\\"b\\\"\\x1b\", expect: \"b\" },\n        #{ name: \"Sound\", expect: \"a\" },\n    ]\n}\n";
        for (path, text) in [("routing/it.rhai", script), ("guard/wrong.rhai", "fn check(i, t) { i.urgancy }")] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut report = test_folder(folder.path(), Least { lines: None, branches: Some(100) }).unwrap();
        report.folder = "rules".to_owned();
        report.files.iter_mut().flat_map(|file| &mut file.tests).for_each(|test| test.microseconds = 1_500_000);
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="pointsman policy test" tests="5" failures="3" errors="0" skipped="0" time="3.000000">
  <testsuite name="routing/it.rhai" tests="4" failures="2" errors="0" skipped="0" time="3.000000">
    <testcase name="check" classname="routing.it" file="rules/routing/it.rhai" line="1" time="0.000000"/>
    <testcase name="&lt;A&gt; &amp; &quot;b&quot;\u{1b}" classname="routing.it" file="rules/routing/it.rhai" line="7" time="1.500000">
      <failure message="expected the text &quot;b&quot;, got a" type="expectation">routing/it.rhai:7:37: expected the text &quot;b&quot;, got a</failure>
    </testcase>
    <testcase name="Sound" classname="routing.it" file="rules/routing/it.rhai" line="8" time="1.500000"/>
    <testcase name="coverage" classname="routing.it" file="rules/routing/it.rhai" line="1" time="0.000000">
      <failure message="Its tests reach 50.0 % (1/2) of its branches; 100 % are asked for" type="not_covered">routing/it.rhai:2:8: in no test is this true</failure>
    </testcase>
  </testsuite>
  <testsuite name="guard/wrong.rhai" tests="1" failures="1" errors="0" skipped="0" time="0.000000">
    <testcase name="check" classname="guard.wrong" file="rules/guard/wrong.rhai" line="1" time="0.000000">
      <failure message="incident has no field `urgancy`; did you mean `urgency`?" type="unknown_field">guard/wrong.rhai:1:20: incident has no field `urgancy`; did you mean `urgency`?[unknown_field]</failure>
    </testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(report.junit(), expected);
    }

    proptest! {
        #[test]
        fn any_text_is_told_in_what_xml_can_hold(text in any::<String>()) {
            let escaped = escaped(&text);
            let forbidden = ['<', '>', '"', '\u{fffe}', '\u{ffff}'];
            prop_assert!(!escaped.chars().any(|c| c.is_control() || forbidden.contains(&c)));
            let references = escaped.split('&').skip(1);
            let known = ["amp;", "lt;", "gt;", "quot;", "#9;", "#10;", "#13;"];
            prop_assert!(references.clone().all(|rest| known.iter().any(|known| rest.starts_with(known))));
        }
    }
}
