//! Growing: text, lists and maps without end.

use super::{Attack, Ends::*, Row, rows};

const ROWS: &[Row] = &[
    (Limit, "text that doubles", r#"let s = "aaaaaaaa"; for n in 0..60 { s += s; }"#),
    (Limit, "text that doubles by another plus", r#"let s = "aaaaaaaa"; for n in 0..60 { s = s + s; }"#),
    (Limit, "text that trebles within itself", r#"let s = "x"; for n in 0..100 { s = `${s}${s}${s}`; }"#),
    (Limit, "a list that doubles", "let a = [1]; for n in 0..60 { a += a; }"),
    (Limit, "a list that takes itself", "let a = [1]; for n in 0..40 { let b = a; a.push(b); }"),
    (Limit, "a list in a list in a list", "let a = []; for n in 0..10000 { a = [a]; }"),
    (Limit, "a list of itself twice", "let a = []; for n in 0..40 { a = [a, a]; }"),
    (Limit, "a map in a map in a map", "let m = #{}; for n in 0..10000 { m = #{ m: m }; }"),
    (Limit, "maps in lists in maps", "let m = []; for n in 0..10000 { m = [#{ m: m }]; }"),
    (Limit, "a map that grows", r#"let m = #{}; for n in 0..100000 { m["k" + n] = n; }"#),
    (Limit, "a map of long keys", "let m = #{}; for n in 0..100 { m[text() + n] = n; }"),
    (
        Limit,
        "a map that is mixed with others",
        r#"let m = #{}; for n in 0..1000 { let o = #{}; o["k" + n] = text(); m += o; }"#,
    ),
    (Error("too_large"), "padded text", r#"let s = "a"; s.pad(1000000000, "b");"#),
    (Limit, "a padded list", "let a = []; a.pad(1000000000, 1);"),
    (Limit, "a list padded to the end of numbers", "let a = []; a.pad(9223372036854775807, 1);"),
    (Limit, "padding with long text", "let s = text(); for n in 0..100000 { let t = \"x\"; t.pad(4096, s); }"),
    (
        Passed,
        "padding with nothing",
        r#"let s = "a"; s.pad(100, ""); s.pad(-9223372036854775807, "b"); s.pad(0, "c");"#,
    ),
    (Limit, "padding with letters of four bytes", r#"let s = "a"; s.pad(4000, "🏴");"#),
    (
        Error("too_large"),
        "a replacement of 4 GiB",
        r#"let s = ""; for n in 0..4096 { s += "a"; } let t = s; for n in 0..1000 { t.replace("a", s); }"#,
    ),
    (Error("too_large"), "a replacement of nothing", r#"let s = text(); s.replace("", s);"#),
    (Limit, "inserting without end", "let a = []; for n in 0..100000 { a.insert(0, n); }"),
    (Limit, "splicing a list into itself", "let a = [1, 2]; for n in 0..100 { let b = a; a.splice(1, 0, b); }"),
    (Limit, "appending a list to itself", "let a = [1]; for n in 0..100 { let b = a; a.append(b); }"),
    (
        Limit,
        "zipping a list with itself",
        "let a = list(); for n in 0..100 { let b = a; a = a.zip(b, |x, y| [x, y]); }",
    ),
    (Limit, "a list of long texts", "let a = []; for n in 0..250 { a.push(text() + n); }"),
    (Limit, "long texts out of a callback", "for n in 0..250 { list().map(|x| text()); }"),
    (Limit, "lists out of callbacks", "list().map(|x| list().map(|y| list()))"),
    (
        Limit,
        "lists that a reduction gathers",
        "list().reduce(|sum, x| { let s = sum; if type_of(s) != \"array\" { s = []; } s += list(); s })",
    ),
    (Limit, "text that a reduction gathers", r#"for n in 0..100 { list().reduce(|sum, x| `${sum}${text()}`); }"#),
    (
        Limit,
        "a list that grows while it is gone through",
        "let a = list(); a.for_each(|x| this = list()); for n in 0..100 { a += a; }",
    ),
    (Limit, "a text split into characters, again and again", r#"let s = text(); for n in 0..100000 { s.split(""); }"#),
    (Limit, "a list split into pieces, again and again", "for n in 0..100000 { list().chop(1); }"),
    (
        Limit,
        "capitals that are longer than their letters",
        r#"let s = ""; for n in 0..2048 { s += "ŉ"; } for n in 0..10 { s = s.to_upper(); }"#,
    ),
    (Limit, "text that is set beyond its end", r#"let s = text(); for n in 0..100000 { s.set(n % 4000, 'ß'); }"#),
    (Limit, "numbers as text", "let s = \"\"; for n in 0..100000 { s += 9223372036854775807.to_binary(); }"),
    (
        Limit,
        "sixty-five variables",
        "let a0=0;let a1=0;let a2=0;let a3=0;let a4=0;let a5=0;let a6=0;let a7=0;let a8=0;let a9=0;let b0=0;let b1=0;let b2=0;let b3=0;let b4=0;let b5=0;let b6=0;let b7=0;let b8=0;let b9=0;let c0=0;let c1=0;let c2=0;let c3=0;let c4=0;let c5=0;let c6=0;let c7=0;let c8=0;let c9=0;let d0=0;let d1=0;let d2=0;let d3=0;let d4=0;let d5=0;let d6=0;let d7=0;let d8=0;let d9=0;let e0=0;let e1=0;let e2=0;let e3=0;let e4=0;let e5=0;let e6=0;let e7=0;let e8=0;let e9=0;let f0=0;let f1=0;let f2=0;let f3=0;let f4=0;let f5=0;let f6=0;let f7=0;let f8=0;let f9=0;let g0=0;let g1=0;let g2=0;let g3=0;let g4=0;let g5=0;",
    ),
];

pub fn attacks() -> Vec<Attack> {
    rows(ROWS).collect()
}
