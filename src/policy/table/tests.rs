//! How a table is read, and which row answers.

mod oracle;

use serde_json::json;

use super::*;

fn columns() -> Json {
    json!([{"name": "category", "type": "text"}, {"name": "level", "type": "int"}, {"name": "team", "type": "text"}])
}

#[test]
fn the_row_with_the_fewest_wildcards_answers() {
    let rows = json!([["*", "*", "desk"], ["mail", "*", "mail"], ["mail", 1, "mail-gold"], ["*", 1, "gold"]]);
    let table = Table::from_json("t", &json!({"columns": columns(), "keys": 2, "rows": rows})).unwrap();
    for (category, level, team) in [("mail", 1, "mail-gold"), ("mail", 2, "mail"), ("x", 1, "gold"), ("x", 2, "desk")] {
        let key = [Cell::Text(category.into()), Cell::Int(level)];
        assert_eq!(table.find(&key).unwrap()[2], Cell::Text(team.into()), "{category} {level}");
    }
    let again = Table::from_json("t", &serde_json::to_value(&table).unwrap()).unwrap();
    assert_eq!(again.rows(), table.rows());
}

#[test]
fn a_value_comes_before_a_range_and_a_narrow_range_before_a_wide_one() {
    let columns = json!([
        {"name": "age", "type": "int", "match": "range"}, {"name": "word", "type": "text", "match": "exact"},
        {"name": "n", "type": "int"},
    ]);
    let rows =
        json!([["..", "*", 0], ["*", "*", 1], ["5..", "*", 2], ["5..=9", "*", 3], [" 7 ", "*", 4], ["6..8", "*", 5],]);
    let table = |rows: &Json| Table::from_json("t", &json!({"columns": columns, "keys": 2, "rows": rows}));
    assert_eq!(table(&rows).unwrap_err().errors[0].code, "wrong_range");
    let rows = Json::from(&rows.as_array().unwrap()[1..]);
    let table = table(&rows).unwrap();
    for (age, n) in [(4, 1), (5, 3), (6, 5), (7, 4), (8, 3), (9, 3), (10, 2)] {
        let found = table.find(&[Cell::Int(age), Cell::Text("*".into())]);
        assert_eq!(found.unwrap()[2], Cell::Int(n), "{age}");
    }
    assert!(table.find(&[Cell::Int(7), Cell::Text("x".into())]).is_none(), "`*` is a text where it is matched exactly");
    let again = Table::from_json("t", &table.to_json()).unwrap();
    assert_eq!((again.rows(), again.head()), (table.rows(), table.head()));
}

#[test]
fn times_and_decimals_are_looked_up_by_ranges() {
    let columns = json!([
        {"name": "at", "type": "time", "match": "range"}, {"name": "share", "type": "decimal", "match": "range"},
        {"name": "n", "type": "int"},
    ]);
    let rows = json!([
        ["2026-12-24..2027-01-02", "0..=0.5", 1],
        ["2026-12-24..2027-01-02", "*", 2],
        ["*", "*", 3],
        ["2026-12-25", "0..=0.5", 4],
    ]);
    let table = Table::from_json("t", &json!({"columns": columns, "keys": 2, "rows": rows})).unwrap();
    for (at, share, n) in [
        ("2026-12-24T00:00:00Z", "0.50", 1),
        ("2026-12-24T00:00:00Z", "0.51", 2),
        ("2027-01-01T23:59:59.999999Z", "0", 1),
        ("2027-01-02T00:00:00Z", "0", 3),
        ("2026-12-25T01:00:00+01:00", "0", 4),
    ] {
        let key = table.read_key(vec![Cell::Text(at.into()), Cell::Text(share.into())]).unwrap();
        assert_eq!(table.find(&key).unwrap()[2], Cell::Int(n), "{at} {share}");
    }
    assert_eq!(table.to_json()["rows"][0][0], "2026-12-24T00:00:00Z..2027-01-02T00:00:00Z");
    assert_eq!(Table::from_json("t", &table.to_json()).unwrap().rows(), table.rows());
}

#[test]
fn mistakes_in_a_table_are_named() {
    for (keys, rows, pointer) in [
        (0, json!([]), "/keys"),
        (3, json!([]), "/keys"),
        (1, json!([["a", "1", "t"]]), "/rows/0/1"),
        (1, json!([["a", "*", "t"]]), "/rows/0/1"),
        (2, json!([["a", "1..2", "t"]]), "/rows/0/1"),
        (1, json!([["a", 1]]), "/rows/0"),
    ] {
        let error = Table::from_json("t", &json!({"columns": columns(), "keys": keys, "rows": rows})).unwrap_err();
        assert_eq!(error.errors[0].pointer, pointer, "{rows}");
    }
    for (at, kind, matching) in [(0, "text", "range"), (0, "bool", "range"), (1, "int", "range"), (1, "int", "exact")] {
        let mut columns = json!([{"name": "a", "type": "int"}, {"name": "b", "type": "int"}]);
        columns[at]["type"] = kind.into();
        columns[at]["match"] = matching.into();
        let error = Table::from_json("t", &json!({"columns": columns, "keys": 1, "rows": []})).unwrap_err();
        assert_eq!(error.errors[0].pointer, format!("/columns/{at}/match"), "{kind} {matching}");
    }
}
