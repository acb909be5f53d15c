//! The language by example, its limits, and that no input breaks the parser.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::{
    error::{Code, Error},
    record::query::seen,
};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

struct Incident;

impl Incident {
    fn all() -> Vec<(&'static str, FieldType)> {
        let states = ["new", "in_progress", "closed"].map(str::to_owned).to_vec();
        vec![
            ("title", FieldType::Text),
            ("priority", FieldType::Integer),
            ("custom.cost", FieldType::Decimal),
            ("major", FieldType::Boolean),
            ("opened_at", FieldType::Time),
            ("custom.due", FieldType::Date),
            ("state", FieldType::Choice(states)),
            ("assignee", FieldType::User),
            ("service.owner", FieldType::User),
            ("team", FieldType::Team),
            ("organisation", FieldType::Organisation),
            ("service", FieldType::Record),
            ("tags", FieldType::Tags),
        ]
    }
}

impl Fields for Incident {
    fn find(&self, path: &str) -> Option<FieldType> {
        Self::all().into_iter().find(|(name, _)| *name == path).map(|(_, field_type)| field_type)
    }
    fn names(&self) -> Vec<String> {
        Self::all().into_iter().map(|(name, _)| name.to_owned()).collect()
    }
}

fn now() -> Moment {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn read(text: &str) -> Result<Filter> {
    parse(text, &Incident, now())
}

fn compare(field: &str, op: Op, value: Value) -> Filter {
    Filter::Compare { field: field.to_owned(), op, value }
}

#[test]
fn reads_values_in_the_type_of_their_field() {
    let text = |s: &str| Value::Text(s.to_owned());
    let time = |s: &str| Value::Time(s.parse().unwrap());
    let cost = |s: &str| Value::Decimal(s.parse().unwrap());
    let due = |s: &str| Value::Date(s.parse().unwrap());
    let id = || Value::Id(ID.to_owned());
    let cases = [
        ("title = Mail", "title", Op::Equal, text("Mail")),
        ("title=5", "title", Op::Equal, text("5")),
        ("title=true", "title", Op::Equal, text("true")),
        ("title = me", "title", Op::Equal, text("me")),
        ("title = null", "title", Op::Equal, Value::Null),
        (r#"title = "null""#, "title", Op::Equal, text("null")),
        (r#"title : "a \"b\" \\ ü (AND)""#, "title", Op::Has, text(r#"a "b" \ ü (AND)"#)),
        (r"title != 'it\'s'", "title", Op::NotEqual, text("it's")),
        ("title >= \"\"", "title", Op::GreaterOrEqual, text("")),
        ("title = ann+x@example.org", "title", Op::Equal, text("ann+x@example.org")),
        ("priority<=2", "priority", Op::LessOrEqual, Value::Integer(2)),
        ("priority>-2", "priority", Op::Greater, Value::Integer(-2)),
        ("priority = 9223372036854775807", "priority", Op::Equal, Value::Integer(i64::MAX)),
        ("priority != null", "priority", Op::NotEqual, Value::Null),
        ("custom.cost < 10", "custom.cost", Op::Less, cost("10")),
        ("custom.cost = 0.10", "custom.cost", Op::Equal, cost("0.1")),
        ("custom.cost = -0.0", "custom.cost", Op::Equal, cost("0")),
        ("major = true", "major", Op::Equal, Value::Boolean(true)),
        ("major != false", "major", Op::NotEqual, Value::Boolean(false)),
        ("opened_at > \"2026-01-01T00:00:00Z\"", "opened_at", Op::Greater, time("2026-01-01T00:00:00Z")),
        ("opened_at>2026-01-01T02:00:00.5+02:00", "opened_at", Op::Greater, time("2026-01-01T00:00:00.5Z")),
        ("opened_at > now()", "opened_at", Op::Greater, time("2026-03-01T12:00:00Z")),
        ("opened_at > now() - 2d", "opened_at", Op::Greater, time("2026-02-27T12:00:00Z")),
        ("opened_at > now()-90m", "opened_at", Op::Greater, time("2026-03-01T10:30:00Z")),
        ("opened_at > now ( ) - 36h", "opened_at", Op::Greater, time("2026-02-28T00:00:00Z")),
        ("opened_at < now() + 1w", "opened_at", Op::Less, time("2026-03-08T12:00:00Z")),
        ("opened_at < now()+1d", "opened_at", Op::Less, time("2026-03-02T12:00:00Z")),
        ("custom.due <= 2026-1-31", "custom.due", Op::LessOrEqual, due("2026-01-31")),
        ("custom.due = \"2026-01-31\"", "custom.due", Op::Equal, due("2026-01-31")),
        ("custom.due < now() - 1d", "custom.due", Op::Less, due("2026-02-28")),
        ("state = new", "state", Op::Equal, text("new")),
        ("state != \"in_progress\"", "state", Op::NotEqual, text("in_progress")),
        ("assignee = me", "assignee", Op::Equal, Value::Me),
        ("assignee = \"me\"", "assignee", Op::Equal, text("me")),
        ("service.owner = \"Ann Lee\"", "service.owner", Op::Equal, text("Ann Lee")),
        ("assignee = 01890A5D-AC96-774B-BCCE-B302099A8057", "assignee", Op::Equal, id()),
        ("team != my_teams", "team", Op::NotEqual, Value::MyTeams),
        ("team = null", "team", Op::Equal, Value::Null),
        ("organisation = \"01890a5dac96774bbcceb302099a8057\"", "organisation", Op::Equal, id()),
        ("service = SVC0000001", "service", Op::Equal, text("SVC0000001")),
        ("tags : vip", "tags", Op::Has, text("vip")),
        ("tags:\"a b\"", "tags", Op::Has, text("a b")),
        ("tags = null", "tags", Op::Equal, Value::Null),
    ];
    for (given, field, op, value) in cases {
        assert_eq!(read(given).unwrap(), compare(field, op, value), "{given}");
    }
}

#[test]
fn groups_like_sql() {
    let [a, b, c] = [1, 2, 3].map(|n| compare("priority", Op::Equal, Value::Integer(n)));
    let (p, q, r) = ("priority = 1", "priority = 2", "priority = 3");
    let and = |parts: &[&Filter]| Filter::And(parts.iter().copied().cloned().collect());
    let or = |parts: &[&Filter]| Filter::Or(parts.iter().copied().cloned().collect());
    let not = |inner: &Filter| Filter::Not(Box::new(inner.clone()));
    let cases = [
        (format!("{p} AND {q} AND {r}"), and(&[&a, &b, &c])),
        (format!("{p} OR {q} AND {r}"), or(&[&a, &and(&[&b, &c])])),
        (format!("{p} AND {q} OR {r}"), or(&[&and(&[&a, &b]), &c])),
        (format!("{p} AND ({q} OR {r})"), and(&[&a, &or(&[&b, &c])])),
        (format!("({p} AND {q}) AND {r}"), and(&[&a, &b, &c])),
        (format!("(({p} OR ({q} OR {r})))"), or(&[&a, &b, &c])),
        (format!("NOT {p} AND {q}"), and(&[&not(&a), &b])),
        (format!("NOT ({p} AND {q})"), not(&and(&[&a, &b]))),
        (format!("not not ({p})or {q}"), or(&[&not(&not(&a)), &b])),
    ];
    for (text, expected) in cases {
        let filter = read(&text).unwrap();
        assert_eq!(filter, expected, "{text}");
        assert_eq!(read(&filter.to_string()).unwrap(), expected, "{filter}");
    }
    assert_eq!(
        read(&format!("(({p}) OR {q}) AND NOT ({r})")).unwrap().to_string(),
        format!("({p} OR {q}) AND NOT {r}")
    );
}

#[test]
fn reads_the_example_of_the_manual() {
    let text = r#"state = "new" AND (priority <= 2 OR tags : "vip") AND opened_at > "2026-01-01T00:00:00Z""#;
    let filter = read(text).unwrap();
    assert_eq!((filter.to_string().as_str(), filter.terms()), (text, 4));
}

#[test]
fn says_where_a_filter_is_wrong() {
    let cases = [
        ("", 1, "syntax", "the filter is empty"),
        ("  ", 1, "syntax", "the filter is empty"),
        ("state", 6, "syntax", "expected an operator after `state`, found the end"),
        ("state new", 7, "syntax", "expected an operator after `state`, found `new`"),
        ("state =", 8, "syntax", "expected a value, found the end"),
        ("state =   ", 8, "syntax", "expected a value, found the end"),
        ("state == new", 8, "syntax", "expected a value, found `=`"),
        ("state = new AND", 16, "syntax", "expected a field, found the end"),
        ("state = new priority = 1", 13, "syntax", "expected `AND` or `OR` before `priority`"),
        ("state = new && priority = 1", 13, "syntax", "unexpected character `&`; write `AND`"),
        ("state = new)", 12, "syntax", "this `)` closes nothing"),
        ("(state = new", 13, "syntax", "expected `AND`, `OR` or `)`, found the end"),
        ("()", 2, "syntax", "expected a field, found `)`"),
        ("-state = new", 1, "syntax", "expected a field, found `-`"),
        ("\"state\" = new", 1, "syntax", "expected a field, found \"state\""),
        ("title = or", 9, "syntax", "expected a value, found `or`"),
        ("title = \"abc", 9, "syntax", "this quote is never closed"),
        ("title = 'it''s'", 13, "syntax", "expected `AND` or `OR` before \"s\""),
        (r#"title = "a\nb""#, 11, "syntax", "in quotes, `\\` stands only before"),
        ("title = \"a\0\"", 11, "syntax", "U+0000"),
        ("title = ü AND !major", 15, "syntax", "unexpected character `!`; write `!=` or `NOT`"),
        ("tite = x", 1, "unknown_field", "there is no field `tite`; did you mean `title`?"),
        ("major = true AND (custom.cots > 1)", 19, "unknown_field", "did you mean `custom.cost`?"),
        ("xyzzy = 1", 1, "unknown_field", "there is no field `xyzzy`."),
        ("priority : 1", 10, "wrong_operator", "compare it with =, !=, <, <=, > or >=, not :"),
        ("major < true", 7, "wrong_operator", "`major` is `true` or `false`; compare it with = or !=, not <"),
        ("state > new", 7, "wrong_operator", "compare it with = or !="),
        ("assignee : me", 10, "wrong_operator", "compare it with = or !="),
        ("tags > a", 6, "wrong_operator", "compare it with :, not >"),
        ("tags = a", 8, "wrong_operator", "ask for one with :, and for none with = null"),
        ("tags : null", 8, "wrong_operator", "`null` is compared with = or !="),
        ("priority < null", 12, "wrong_operator", "`null` is compared with = or !="),
        ("priority = high", 12, "wrong_type", "`priority` is a whole number, which `high` is not."),
        ("priority = \"2\"", 12, "wrong_type", "write it without quotes"),
        ("priority = 2.5", 12, "wrong_type", "a whole number"),
        ("priority = +2", 12, "wrong_type", "a whole number"),
        ("priority = 9223372036854775808", 12, "wrong_type", "a whole number"),
        ("priority = now()", 12, "wrong_type", "a whole number, which `now()` is not"),
        ("custom.cost = 1e5", 15, "wrong_type", "a decimal number"),
        ("custom.cost = 1_0", 15, "wrong_type", "a decimal number"),
        ("custom.cost = 99999999999999999999999999999999", 15, "wrong_type", "a decimal number"),
        ("major = yes", 9, "wrong_type", "`true` or `false`"),
        ("opened_at > 2026-01-01", 13, "wrong_type", "a time (RFC 3339"),
        ("opened_at > \"0000-01-01T00:00:00Z\"", 13, "wrong_type", "a time (RFC 3339"),
        ("custom.due > soon", 14, "wrong_type", "a date (such as"),
        ("custom.due > \"0000-01-01\"", 14, "wrong_type", "a date (such as"),
        ("opened_at > now", 13, "wrong_type", "a time (RFC 3339"),
        ("opened_at > now(1)", 17, "syntax", "expected `)` after `now(`, found `1`"),
        ("opened_at > now() -", 20, "syntax", "expected a distance like `2d`, found the end"),
        ("opened_at > now() - 2y", 19, "wrong_type", "`-2y` is not a distance"),
        ("opened_at > now()-d", 18, "wrong_type", "`-d` is not a distance"),
        ("opened_at > now() - -2d", 19, "wrong_type", "`--2d` is not a distance"),
        ("opened_at > now() - 2ü", 19, "wrong_type", "is not a distance"),
        ("opened_at > now() - 99999999d", 19, "wrong_type", "or too far"),
        ("opened_at > now() - 99999999999999999999d", 19, "wrong_type", "or too far"),
        ("state = nwe", 9, "not_a_choice", "`nwe` is not a choice of `state`; did you mean `new`?"),
        ("state = open", 9, "not_a_choice", "it is one of `new`, `in_progress`, `closed`."),
        ("state = now()", 9, "wrong_type", "a choice"),
        ("team = me", 8, "wrong_type", "a team (id, name or `my_teams`), which `me` is not"),
        ("assignee = my_teams", 12, "wrong_type", "a person"),
        ("service = me", 11, "wrong_type", "a record"),
    ];
    for (text, at, code, part) in cases {
        let error = read(text).unwrap_err();
        let (kind, pointer, found, detail) = seen(&error);
        assert_eq!((kind, pointer, found), (Code::BadQuery, "filter", code), "{text}: {detail}");
        assert!(detail.starts_with(&format!("Position {at}: ")) && detail.contains(part), "{text}: {detail}");
    }
}

/// A filter of `count` comparisons.
fn long(count: usize) -> String {
    vec!["priority = 1"; count].join(" OR ")
}

#[test]
fn holds_the_limits() {
    let nested = |depth: usize| format!("{}major = true{}", "(".repeat(depth), ")".repeat(depth));
    let negated = |depth: usize| format!("{}major = true", "NOT ".repeat(depth));
    let padded = |bytes: usize| format!("major = true{}", " ".repeat(bytes - 12));
    for good in [long(100), nested(20), negated(20), padded(4096)] {
        assert!(read(&good).is_ok(), "{good}");
    }
    let cases = [
        (long(101), "too_many_terms", "Position 1601: a filter has 100 comparisons at most."),
        (nested(21), "too_deep", "Position 21: parentheses and `NOT` nest 20 deep at most."),
        (negated(21), "too_deep", "Position 81: parentheses and `NOT` nest 20 deep at most."),
        (padded(4097), "too_long", "Position 1: 4097 bytes are more than the 4096 allowed."),
    ];
    for (bad, code, detail) in cases {
        assert_eq!(seen(&read(&bad).unwrap_err()), (Code::BadQuery, "filter", code, detail));
    }
}

#[test]
fn refuses_attacks_at_once() {
    let attacks = [
        "(".repeat(5000),
        "(".repeat(4096),
        format!("{}major = true{}", "(".repeat(5000), ")".repeat(5000)),
        "NOT ".repeat(1024),
        "\"".repeat(4095),
        "\\".repeat(4096),
        "a".repeat(4096),
        format!("{} = 1", "a.".repeat(2040)),
        format!("priority = {}", "9".repeat(4000)),
        format!("custom.cost = 0.{}", "9".repeat(4000)),
        "=".repeat(10_000_000),
    ];
    let begun = Instant::now();
    for attack in &attacks {
        let error = read(attack).unwrap_err();
        assert!(seen(&error).3.len() < 300, "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn reads_plain_pairs() {
    let cases = [
        ("state", "new", "state = \"new\""),
        ("state", "new, closed", "state = \"new\" OR state = \"closed\""),
        ("priority", "1,2", "priority = 1 OR priority = 2"),
        ("assignee", "me,null", "assignee = me OR assignee = null"),
        ("team", "my_teams", "team = my_teams"),
        ("tags", "vip,null", "tags : \"vip\" OR tags = null"),
        ("title", "Mail is down", "title = \"Mail is down\""),
        ("title", "\"a, b\" , c", "title = \"a, b\" OR title = \"c\""),
        ("title", "it's \"so\"", r#"title = "it's \"so\"""#),
        ("title", "\"\"", "title = \"\""),
        ("opened_at", "2026-01-01T00:00:00Z", "opened_at = \"2026-01-01T00:00:00Z\""),
        ("service.owner", "Ann Lee", "service.owner = \"Ann Lee\""),
        ("custom.cost", "1.50", "custom.cost = 1.5"),
    ];
    for (name, value, expected) in cases {
        let filter = simple(name, value, &Incident).unwrap();
        assert_eq!(filter.to_string(), expected, "{name}={value}");
        assert_eq!(read(expected).unwrap(), filter);
    }
}

#[test]
fn says_where_a_pair_is_wrong() {
    let (many, long) = (vec!["1"; 101].join(","), "x".repeat(4097));
    let cases = [
        ("stat", "new", "unknown_field", "Position 1: there is no field `stat`; did you mean `state`?"),
        (
            "state",
            "new,clsed",
            "not_a_choice",
            "Position 5: `clsed` is not a choice of `state`; did you mean `closed`?",
        ),
        ("priority", "1, x", "wrong_type", "Position 4: `priority` is a whole number, which `x` is not."),
        ("title", "", "syntax", "Position 1: a value is missing here; for none, write `null`."),
        ("title", "a,,b", "syntax", "Position 3: a value is missing here; for none, write `null`."),
        ("title", "a, ", "syntax", "Position 4: a value is missing here; for none, write `null`."),
        ("title", "\"a\" b", "syntax", "Position 5: expected a comma after the closing quote."),
        ("title", "\"a", "syntax", "Position 1: this quote is never closed."),
        ("title", "a\0", "syntax", "Position 2: the character U+0000 is not allowed."),
        ("priority", &many, "too_many_terms", "Position 201: a filter has 100 comparisons at most."),
        ("title", &long, "too_long", "Position 1: 4097 bytes are more than the 4096 allowed."),
    ];
    for (name, value, code, detail) in cases {
        assert_eq!(seen(&simple(name, value, &Incident).unwrap_err()), (Code::BadQuery, name, code, detail), "{value}");
    }
}

#[test]
fn joins_filters_within_the_limit() {
    let [either, both] = ["major = true OR priority = 1", "major = true AND priority = 1"].map(|t| read(t).unwrap());
    assert_eq!(all(vec![]).unwrap(), None);
    assert_eq!(all(vec![either.clone()]).unwrap(), Some(either.clone()));
    let joined = all(vec![either, both]).unwrap().unwrap();
    assert_eq!(joined.to_string(), "(major = true OR priority = 1) AND major = true AND priority = 1");
    let half = read(&long(51)).unwrap();
    assert_eq!(all(vec![half.clone(), half]).map_err(|e: Error| e.code), Err(Code::BadQuery));
}

fn any_comparison() -> impl Strategy<Value = Filter> {
    let order =
        prop_oneof![Just(Op::Equal), Just(Op::NotEqual), Just(Op::Less), Just(Op::Greater), Just(Op::GreaterOrEqual)];
    prop_oneof![
        ("[^\0]{0,12}", order.clone()).prop_map(|(text, op)| compare("title", op, Value::Text(text))),
        ("[^\0]{0,12}").prop_map(|text| compare("tags", Op::Has, Value::Text(text))),
        (any::<i64>(), order.clone()).prop_map(|(n, op)| compare("priority", op, Value::Integer(n))),
        (any::<i64>(), 0..20_u32, order.clone()).prop_map(|(n, scale, op)| compare(
            "custom.cost",
            op,
            Value::Decimal(Decimal::new(n, scale).normalize())
        )),
        // The first microsecond of the year 1 to the last of 9999.
        (-62_135_596_800_000_000..253_402_300_800_000_000_i64, order).prop_map(|(micros, op)| {
            compare("opened_at", op, Value::Time(chrono::DateTime::from_timestamp_micros(micros).unwrap().into()))
        }),
        any::<bool>().prop_map(|yes| compare("major", Op::NotEqual, Value::Boolean(yes))),
        Just(compare("assignee", Op::Equal, Value::Me)),
        Just(compare("team", Op::NotEqual, Value::MyTeams)),
        Just(compare("service", Op::Equal, Value::Id(ID.to_owned()))),
        Just(compare("tags", Op::NotEqual, Value::Null)),
    ]
}

fn any_filter() -> impl Strategy<Value = Filter> {
    any_comparison().prop_recursive(4, 24, 4, |inner| {
        let parts = proptest::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            parts.clone().prop_map(Filter::and),
            parts.prop_map(Filter::or),
            inner.prop_map(|one| Filter::Not(Box::new(one))),
        ]
    })
}

/// Pieces of the language in any order: gets deeper into the parser than arbitrary text.
fn soup() -> impl Strategy<Value = String> {
    let pieces = [
        "state",
        "=",
        "!=",
        "<",
        ":",
        "new",
        "(",
        ")",
        "AND",
        "OR",
        "NOT",
        "\"vip\"",
        "tags",
        "priority",
        "2",
        "-3",
        "now()",
        "-",
        "+",
        "2d",
        "opened_at",
        "null",
        "me",
        "assignee",
        "'",
        "\\",
        "ü",
        ",",
        "title",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..24).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn prints_what_reads_back_the_same(filter in any_filter()) {
        let text = filter.to_string();
        prop_assume!(text.len() <= crate::record::query::MAX_BYTES);
        prop_assert_eq!(read(&text).unwrap(), filter);
    }

    #[test]
    fn writes_what_can_be_read_and_nothing_else(filter in any_filter(), around in 0..24) {
        let opened = || Filter::compare("opened_at", Op::NotEqual, Value::Null);
        let filter = (0..around).fold(filter, |inner, _| Filter::and(vec![opened(), Filter::or(vec![opened(), inner])]));
        match filter.written() {
            Ok(text) => prop_assert_eq!(read(&text).unwrap(), filter),
            Err(error) => {
                let refused = read(&filter.to_string()).unwrap_err();
                prop_assert_eq!(seen(&error).2, seen(&refused).2);
            }
        }
    }

    #[test]
    fn survives_any_text(text: String, name: String) {
        let _ = read(&text);
        let _ = simple("title", &text, &Incident);
        let _ = simple(&name, &text, &Incident);
        let _ = read(&format!("title = {text}"));
    }

    #[test]
    fn survives_any_soup_and_reads_back_what_it_takes(text in soup()) {
        match read(&text) {
            Ok(filter) => prop_assert_eq!(read(&filter.to_string()).unwrap(), filter),
            Err(error) => {
                // The place is in the text or just behind it.
                let detail = seen(&error).3;
                let at: usize = detail.trim_start_matches("Position ").split(':').next().unwrap().parse().unwrap();
                prop_assert!((1..=text.chars().count() + 1).contains(&at), "{}", detail);
            }
        }
    }
}
