//! Text: what takes long to search, and what is written to deceive readers and parsers.

use super::{Attack, Ends::*, Row, made, routing, rows};

const ROWS: &[Row] = &[
    (
        Error("too_large"),
        "searching for what almost fits",
        r#"let s = text(); s.replace("h", 'a'); let f = s.sub_string(0, 2000); f += "z"; for n in 0..100000 { s.index_of(f); }"#,
    ),
    (
        Limit,
        "whether it holds what almost fits",
        r#"let s = text(); let f = s.sub_string(1) + "z"; for n in 0..100000 { s.contains(f); f in s; }"#,
    ),
    (Limit, "cutting off its ends", "let s = text(); for n in 0..100000 { let t = s; t.crop(1, 4000); t.trim(); }"),
    (Limit, "counting its letters", "let s = text(); for n in 0..100000 { s.len(); s.is_empty(); s.chars; }"),
    (Limit, "capitals, again and again", "let s = text(); for n in 0..100000 { s.to_upper(); s.to_lower(); }"),
    (
        Limit,
        "letter by letter from the end",
        "for k in 0..100 { let s = text(); for n in 0..4000 { s[-1]; s.pop(); } }",
    ),
    (Limit, "removing each letter", r#"for n in 0..100000 { let s = text(); s -= "a"; s.remove("b"); }"#),
    (Limit, "comparing long texts", "let s = text(); let t = s + \"\"; for n in 0..100000 { s == t; s < t; }"),
    (
        Limit,
        "splitting in ever more ways",
        r#"let s = text(); for n in 0..100000 { s.split("a", 3); s.split_rev("a", 3); s.split(); s.split(2048); }"#,
    ),
    (Limit, "long phrases in the record", "let s = text(); for n in 0..100000 { i.mentions(s, s, s, s, s, s, s, s); }"),
    (Passed, "phrases of nothing", r#"i.mentions("", " ", "\u200b", "\u0000", "\u001f");"#),
    (Limit, "teams of long names", "let s = text(); for n in 0..100000 { team_exists(s); user_exists(s); }"),
    (Limit, "other teams of long names", "for n in 0..100000 { team_exists(text() + n); }"),
    (Error("unknown_table"), "a table of a long name", "table(text())"),
    (
        Limit,
        "a table by long keys",
        r#"let s = text(); let t = table("teams"); for n in 0..100000 { t.has(s); t.find(s); }"#,
    ),
    (Limit, "a table by ever new keys", r#"let t = table("teams"); for n in 0..100000 { t.find("k" + n); }"#),
    (
        Passed,
        "keys that look like patterns",
        r#"let t = table("teams"); for k in ["*", ".*", "(a+)+$", "a..z", "0..1", "%", "'; DROP TABLE x; --"] { t.find(k); }"#,
    ),
    (Error("wrong_type"), "a list as a key", r#"table("teams").find([1, 2])"#),
    (Error("wrong_type"), "a map as a key", r#"table("teams").find(#{ a: 1 })"#),
    (Error("wrong_type"), "a record as a key", r#"table("teams").find(i)"#),
    (Error("wrong_type"), "too many keys", r#"table("teams").find("a", "b")"#),
    (Error("unknown_column"), "a column that is not there", r#"table("teams").find("network")[text()]"#),
    (Limit, "long refusals", r#"for n in 0..1000 { notify(text()); }"#),
    (Error("script"), "a number as text beyond all numbers", r#"parse_int(text(), 36)"#),
    (Error("script"), "a number of another base", r#"parse_int("zz", 99)"#),
    (Error("script"), "a number of no base", r#"parse_int("1", 0)"#),
    (Error("script"), "a letter before the first", r#"let s = "abc"; s[-9223372036854775808]"#),
    (
        Passed,
        "pieces beyond the end",
        r#"let s = "abc"; s.sub_string(-9223372036854775807, 9223372036854775807); s.sub_string(9223372036854775807); s.crop(9223372036854775807, 9223372036854775807);"#,
    ),
    (
        Passed,
        "pieces of a text of letters that are not one byte",
        r#"let s = "🏴‍☠️é\u0301ß"; for n in -9..9 { s.sub_string(n, 3); s.index_of("ß", n); s.split(n); }"#,
    ),
    (Error("script"), "a letter that is half of one", r#"let s = "🏴"; s[1]"#),
    (Decided, "names that read backwards", "leave(); let x = \"\u{202e}gnp.exe\"; notify(x)"),
    (
        Passed,
        "marks without a letter",
        r#"let s = ""; for n in 0..1000 { s += "\u0301"; } i.mentions(s); s.to_upper(); s.len();"#,
    ),
    (
        Passed,
        "letters that grow when they are made small",
        r#"let s = ""; for n in 0..1000 { s += "İ"; } i.mentions(s, s); s.to_lower();"#,
    ),
    (Passed, "U+0000 in text", "let s = \"a\u{0}b\"; s.split(\"\u{0}\"); s.len(); i.mentions(s);"),
    (Limit, "text made of a record", "for n in 0..100000 { `${i}`; i.to_string(); i.to_debug(); }"),
    (Limit, "text made of lists", "let a = list(); for n in 0..100000 { a.to_string(); `${a}`; }"),
];

pub fn attacks() -> Vec<Attack> {
    let windows = routing("let x = 1;\n// a comment\nleave()").replace('\n', "\r\n");
    let old_mac = routing("let x = 1; // everything after this is a comment\nleave()").replace('\n', "\r");
    let made_up = [
        made(Decided, "lines that end as on Windows", windows),
        made(Refused("syntax"), "lines that end as on an old Macintosh", format!("//{old_mac}")),
        made(Refused("syntax"), "a mark of the order of bytes", "\u{feff}fn route(i) { leave() }"),
        made(Refused("syntax"), "U+0000 alone", "\0".repeat(1000)),
        made(Refused("syntax"), "U+0000 in code", "fn route(i) { leave()\0 }"),
        made(Refused("syntax"), "a name in other letters", "fn route(і) { leave() }"),
        made(Refused("syntax"), "text that does not end", "fn route(i) { \"abc }"),
        made(Refused("syntax"), "text within text that does not end", "fn route(i) { `abc ${ `def ${ }"),
        made(Refused("syntax"), "a comment that does not end", "fn route(i) { /* leave() }"),
        made(Refused("syntax"), "an escape beyond all letters", r#"fn route(i) { "\U00110000" }"#),
        made(Refused("syntax"), "half of a letter", r#"fn route(i) { "\ud800" }"#),
    ];
    rows(ROWS).chain(made_up).collect()
}
