//! Tables against a slow oracle that looks at every row for every key.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::policy::{
    diagnostic::Severity,
    facts::Cell,
    table::{
        ColumnType, Head, Row, Table,
        check::{Finding, findings},
        pattern::{Pattern, Specificity, patterns},
        span::{Span, measure},
    },
};

/// Keys of a text, a small number and a yes or no: so few that all can be tried.
const TEXTS: &[&str] = &["a", "b", "elsewhere"];
const NUMBERS: std::ops::Range<i64> = -1..9;

fn keys() -> Vec<Vec<Cell>> {
    let mut keys = Vec::new();
    for text in TEXTS {
        for number in NUMBERS {
            for yes in [true, false] {
                keys.push(vec![Cell::Text((*text).into()), Cell::Int(number), Cell::Bool(yes)]);
            }
        }
    }
    keys
}

fn fits(pattern: &Pattern, cell: &Cell) -> bool {
    match pattern {
        Pattern::Value(value) => value == cell,
        Pattern::Range(span) => measure(cell).is_some_and(|at| span.holds(&Span::point(at))),
        Pattern::Any => true,
    }
}

/// The rows that fit a key, by what makes them specific.
fn fitting(table: &Table, key: &[Cell]) -> Vec<(Specificity, usize)> {
    let read = table.rows().iter().map(|row| patterns(table.head(), row)).enumerate();
    let fits = read.filter(|(_, row)| row.iter().zip(key).all(|(pattern, cell)| fits(pattern, cell)));
    let mut fitting: Vec<_> = fits.map(|(at, row)| (Specificity::of(&row), at)).collect();
    fitting.sort();
    fitting
}

fn any_number() -> impl Strategy<Value = Json> {
    let (low, high) = (0_i64..6, 1_i64..4);
    prop_oneof![
        3 => low.clone().prop_map(Json::from),
        4 => (low.clone(), high).prop_map(|(from, more)| format!("{from}..{}", from + more).into()),
        1 => low.clone().prop_map(|from| format!("{from}..=7").into()),
        1 => low.clone().prop_map(|from| format!("{from}..").into()),
        1 => low.prop_map(|to| format!("..{to}").into()),
        1 => Just("*".into()),
    ]
}

fn any_table() -> impl Strategy<Value = Table> {
    let text = prop_oneof![4 => Just("a"), 2 => Just("b"), 2 => Just("*")].prop_map(Json::from);
    let yes = prop_oneof![Just(json!("*")), Just(json!(true)), Just(json!(false))];
    let rows = prop::collection::vec((text, any_number(), yes), 0..9);
    rows.prop_map(|rows| {
        let rows: Vec<Json> = rows.into_iter().enumerate().map(|(n, (t, i, b))| json!([t, i, b, n])).collect();
        let columns = json!([
            {"name": "text", "type": "text"}, {"name": "number", "type": "int", "match": "range"},
            {"name": "yes", "type": "bool"}, {"name": "row", "type": "int"},
        ]);
        Table::from_json("t", &json!({"columns": columns, "keys": 3, "rows": rows})).unwrap()
    })
}

fn has_error(found: &[Finding]) -> bool {
    found.iter().any(|finding| finding.level == Severity::Error)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_row_that_answers_is_the_one_that_a_scan_finds(table in any_table()) {
        for key in keys() {
            let expected = fitting(&table, &key).first().map(|(_, at)| table.rows()[*at].clone());
            prop_assert_eq!(table.find(&key), expected.as_ref(), "{:?}", key);
        }
    }

    #[test]
    fn without_errors_the_order_of_rows_means_nothing(table in any_table()) {
        let backwards: Vec<Vec<Cell>> = table.rows().iter().rev().map(|row| row.to_vec()).collect();
        let backwards = Table::new("t", Head::clone(table.head()), backwards).unwrap();
        prop_assert_eq!(has_error(&findings(&table)), has_error(&findings(&backwards)));
        if !has_error(&findings(&table)) {
            for key in keys() {
                prop_assert_eq!(table.find(&key), backwards.find(&key), "{:?}", key);
            }
        }
    }

    #[test]
    fn a_row_is_said_never_to_answer_where_it_never_does(table in any_table()) {
        let found = findings(&table);
        prop_assume!(!has_error(&found));
        let answers: Vec<usize> = keys().iter().filter_map(|key| Some(fitting(&table, key).first()?.1)).collect();
        for row in 0..table.rows().len() {
            let told = found.iter().any(|f| f.code == "never_answers" && f.pointer == format!("/rows/{row}"));
            prop_assert_eq!(told, !answers.contains(&row), "row {} of {:?}: {:?}", row, table.rows(), found);
        }
    }

    #[test]
    fn a_table_without_gaps_answers_wherever_its_other_columns_fit(table in any_table()) {
        let found = findings(&table);
        prop_assume!(!has_error(&found) && table.rows().len() > 1);
        let ranged: Vec<Span> = table.rows().iter().filter_map(|row| match &patterns(table.head(), row)[1] {
            Pattern::Range(span) => Some(*span),
            Pattern::Value(cell) => measure(cell).map(|at| Span::of(ColumnType::Int, at)),
            Pattern::Any => None,
        }).collect();
        let named = |at: i64| {
            let point = Span::point(at.into());
            ranged.iter().any(|s| s.from <= point.from) && ranged.iter().any(|s| point.to <= s.to)
        };
        let has_range = table.rows().iter().any(|row| row[1].to_string().contains(".."));
        let missing = keys().into_iter().any(|key| {
            let Cell::Int(at) = key[1] else { return false };
            let others = |row: &Row| {
                let row = patterns(table.head(), row);
                fits(&row[0], &key[0]) && fits(&row[2], &key[2])
            };
            has_range && named(at) && fitting(&table, &key).is_empty() && table.rows().iter().any(others)
        });
        prop_assert_eq!(found.iter().any(|f| f.code == "gap"), missing, "{:?}: {:?}", table.rows(), found);
    }
}
