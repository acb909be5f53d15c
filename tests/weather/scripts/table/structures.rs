//! Lists, maps, records and functions as values: what compares, sorts, prints, mutates and takes places.

use super::{Attack, Ends::*, Row, rows};

const ROWS: &[Row] = &[
    (
        Limit,
        "comparing nested lists",
        "let a = []; for n in 0..7 { a = [a, a]; } let b = a; for n in 0..100000 { a == b; }",
    ),
    (
        Limit,
        "comparing maps",
        r#"let m = #{}; for n in 0..250 { m["k" + n] = [n]; } let o = m; for n in 0..100000 { m == o; }"#,
    ),
    (
        Limit,
        "printing nested lists",
        "let a = []; for n in 0..200 { a = [a]; } for n in 0..100000 { a.to_string(); a.to_debug(); }",
    ),
    (
        Passed,
        "nested just below the limit, and let go",
        "for k in 0..2 { let a = []; for n in 0..100 { a = [a]; } let b = a; b == a; }",
    ),
    (
        Passed,
        "maps nested just below the limit",
        "let m = #{}; for n in 0..100 { m = #{ m: m }; } let o = m; o == m; m.to_string(); m.to_json();",
    ),
    (Limit, "copying lists", "let a = list(); for n in 0..100000 { let b = a; b[0] = 1; }"),
    (
        Limit,
        "sorting by chance",
        "for n in 0..100000 { let a = list(); a.sort(|x, y| (x * 7919 + y * 104729) % 3 - 1); }",
    ),
    (
        Limit,
        "sorting in circles",
        "for n in 0..100000 { let a = list(); a.sort(|x, y| if (x + 1) % 3 == y % 3 { -1 } else { 1 }); }",
    ),
    (Limit, "sorting by what is no number", "for n in 0..100000 { let a = list(); a.sort(|x, y| \"x\"); }"),
    (
        Error("unknown_function"),
        "sorting what can't be compared",
        r#"let a = [1, "a", (), true, [1], #{}, i, 1.5]; a.sort(|x, y| if x < y { -1 } else { 1 }); a.sort();"#,
    ),
    (Error("unknown_function"), "ordering a mixture", r#"let a = [1, "a", (), true]; a.order()"#),
    (
        Limit,
        "turning, sorting and looking",
        "let a = list(); for n in 0..100000 { a.sort(); a.reverse(); a.dedup(); a.index_of(9999); }",
    ),
    (
        Limit,
        "draining and refilling",
        "for n in 0..100000 { let a = list(); a.drain(|x| x % 2 == 0); a.drain(0, 5); a.drain(0..5); }",
    ),
    (
        Error("unknown_property"),
        "retaining by what fails",
        "for n in 0..100000 { let a = list(); a.retain(|x| x.nothing); }",
    ),
    (
        Passed,
        "places beyond the end",
        "let a = [1, 2, 3]; a.insert(9223372036854775807, 4); a.insert(-9223372036854775807, 5); a.remove(9223372036854775807); a.remove(-9223372036854775807); a.truncate(-9223372036854775807); a.chop(9223372036854775807); a.get(-9223372036854775807); a.set(9223372036854775807, 1);",
    ),
    (
        Passed,
        "ranges the wrong way round",
        "let a = list(); a.extract(9..3); a.extract(5..=2); a.drain(200..-200); a.splice(9..3, []); a.retain(3..1); a.extract(-9223372036854775807, 9223372036854775807); a.split(-9223372036854775807);",
    ),
    (
        Passed,
        "splicing at the ends of numbers",
        "let a = [1]; a.splice(-9223372036854775807, 9223372036854775807, [2]); a.splice(9223372036854775807, -9223372036854775807, [3]);",
    ),
    (Error("script"), "a place before all", "let a = [1]; a[-9223372036854775808]"),
    (Error("script"), "a place after all", "let a = [1]; a[9223372036854775807]"),
    (Error("script"), "a place in nothing", "let a = []; a[0] = 1"),
    (Error("wrong_type"), "a list by a text", r#"let a = [1]; a["x"]"#),
    (Error("empty_value"), "a property of nothing", "().x"),
    (Error("script"), "a property of a map that is not there", "let m = #{ a: 1 }; m.b"),
    (Error("unknown_property"), "a property of a number", "let n = 1; n.x = 2"),
    (Error("script"), "a property of a constant", "const M = #{ p: 1 }; M.p = 5;"),
    (Error("script"), "a place of a constant", "const M = [1]; M[0] = 5;"),
    (Error("script"), "a constant that is changed by a method", "const M = [1]; M.push(2); M.clear();"),
    (Error("unknown_property"), "a field of the record that is set", r#"i.title = "x";"#),
    (Error("empty_value"), "a field within the record that is set", "i.caller.vip = true;"),
    (Error("script"), "a field of the record by its place", r#"i["title"] = "x";"#),
    (
        Passed,
        "a list of the record that is changed",
        "let t = i.tags; t.clear(); for n in 0..200 { t.push(n); } i.tags.push(1);",
    ),
    (Error("unknown_field"), "a field that is not there", "let a = i; a.nothing"),
    (Error("unknown_field"), "a field of a long name", "i[text()]"),
    (Error("unknown_function"), "a method of the record that is not there", "i.delete()"),
    (Error("script"), "going through the record", "for x in i { }"),
    (Error("script"), "going through a number", "let n = 5; for x in n { }"),
    (Error("wrong_type"), "a list as a team", "assign([1])"),
    (Error("wrong_type"), "a record as a team", "assign(i)"),
    (Error("wrong_type"), "nothing as a team", "assign(())"),
    (Error("wrong_type"), "a number as a team", "assign(1)"),
    (Error("wrong_type"), "a decision as a team", "assign(leave())"),
    (Error("wrong_type"), "a function as a team", "assign(|x| x)"),
    (Error("unknown_function"), "a decision as a number", "leave() + leave()"),
    (
        Error("unknown_function"),
        "comparing what can't be compared",
        r#"i == 1; i == i; i == "x"; () == 0; [1] == #{};"#,
    ),
    (Limit, "a switch over a large list", "let a = list(); for n in 0..100000 { switch a { 1 => 2, _ => 3 } }"),
    (Limit, "whether a list holds a list", "let a = list(); for n in 0..100000 { a in [a, a]; a.contains(a); }"),
    (
        Limit,
        "a callback that changes what it goes through",
        "let a = list(); a.for_each(|x| this = [1, 2]); a.map(|x| { this = 0; x }); let m = #{ a: a }; m.a.for_each(|x| this += 1);",
    ),
    (
        Passed,
        "functions that are compared and printed",
        "let f = |x| x; let g = |x| x; f.to_string(); [f, g].to_string(); `${f}`;",
    ),
    (Error("unknown_function"), "a function that takes other arguments", "list().map(|a, b, c, d| a)"),
    (Error("unknown_function"), "a number as a function", "list().map(7)"),
    (
        Passed,
        "a map that is gone through and changed",
        "let m = #{ a: 1 }; for k in m.keys() { m.remove(k); m[k + k] = 1; } m.mixin(m); m.fill_with(m); m.values(); m.drain(|k, v| true);",
    ),
    (Error("only_in_tests"), "making up a record while it counts", "incident(#{})"),
    (Error("only_in_tests"), "expecting while it counts", "expect(1, 2)"),
    (Error("only_in_tests"), "another moment while it counts", r#"clock("Tue 23:00")"#),
];

pub fn attacks() -> Vec<Attack> {
    rows(ROWS).collect()
}
