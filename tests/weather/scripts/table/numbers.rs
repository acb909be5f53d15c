//! Numbers and times at their ends.

use super::{Attack, Ends::*, Row, made, rows};

const ROWS: &[Row] = &[
    (Error("script"), "a sum beyond all numbers", "9223372036854775807 + 1"),
    (Error("script"), "a difference below all numbers", "-9223372036854775807 - 2"),
    (Error("script"), "a product beyond all numbers", "let n = 3037000500; n * n"),
    (Error("script"), "the opposite of the least number", "let n = -9223372036854775807 - 1; -n"),
    (Error("script"), "the size of the least number", "let n = -9223372036854775807 - 1; abs(n)"),
    (Error("script"), "the least number by minus one", "let n = -9223372036854775807 - 1; n / -1"),
    (Error("script"), "what the least number leaves by minus one", "let n = -9223372036854775807 - 1; n % -1"),
    (Error("script"), "a number by nothing", "let x = 1 / 0;"),
    (Error("script"), "what a number leaves by nothing", "let x = 1 % 0;"),
    (Error("script"), "a power beyond all numbers", "let n = 10; n ** 400"),
    (Error("script"), "a power of less than nothing", "let n = 0; n ** -1"),
    (Passed, "a shift beyond all bits", "1 << 9223372036854775807"),
    (Error("script"), "a sum that adds up", "let n = 1; for k in 0..100 { n += n; }"),
    (Error("script"), "a product that multiplies", "let n = 3; for k in 0..100 { n *= n; }"),
    (
        Passed,
        "numbers beyond all decimals",
        "let x = 1e308; let y = x * 10.0; let z = y - y; z == z; y.to_string(); z < 1; max(z, 1.0);",
    ),
    (Error("script"), "a number of a text that is infinite", r#"let x = parse_float("inf"); x.to_int()"#),
    (Passed, "a number that is none", r#"let x = parse_float("NaN"); x.to_int()"#),
    (
        Passed,
        "sorting numbers that are none",
        r#"let n = parse_float("NaN"); let a = [1.0, n, 2.0, n, 0.5]; a.sort(); a.dedup(); a.index_of(n);"#,
    ),
    (Error("script"), "a decimal by nothing", "parse_decimal(\"1\") / parse_decimal(\"0\")"),
    (
        Error("script"),
        "a decimal beyond all decimals",
        r#"let d = parse_decimal("79228162514264337593543950335"); d + d"#,
    ),
    (
        Error("script"),
        "a product of great decimals",
        r#"let d = parse_decimal("79228162514264337593543950335"); d * d"#,
    ),
    (Error("script"), "a power of great decimals", r#"let d = parse_decimal("99999999999"); d ** d"#),
    (Error("script"), "a growth of decimals", r#"let d = parse_decimal("9999"); d.exp()"#),
    (
        Limit,
        "roots and angles of decimals",
        r#"let d = parse_decimal("0.9999999999999999999999999999"); for n in 0..100000 { d.sqrt(); d.sin(); d.cos(); d.tan(); d.ln(); d.log(); d.exp(); d ** d; }"#,
    ),
    (
        Limit,
        "angles of great decimals",
        r#"let d = parse_decimal("7922816251426433759354395033"); for n in 0..100000 { d.sin(); d.cos(); }"#,
    ),
    (Error("script"), "the logarithm of nothing", r#"parse_decimal("0").ln()"#),
    (Error("script"), "the root of less than nothing", r#"parse_decimal("-1").sqrt()"#),
    (Error("script"), "rounding to less than no places", r#"parse_decimal("1.5").round(-1)"#),
    (
        Passed,
        "rounding to more places than there are",
        r#"let d = parse_decimal("1.5"); d.round(9999); d.round_up(9999); d.round_half_down(9223372036854775807);"#,
    ),
    (
        Passed,
        "roots of roots",
        r#"let d = parse_decimal("79228162514264337593543950335"); for n in 0..200 { d = d.sqrt(); }"#,
    ),
    (
        Passed,
        "text of great numbers",
        "9223372036854775807.to_hex(); (-9223372036854775807).to_binary(); 1e300.to_string(); 0.1.to_string();",
    ),
];

/// Of the decision about priorities.
const PRIORITIES: &[(super::Ends, &str, &str)] = &[
    (Error("out_of_range"), "a priority beyond all", "priority(9223372036854775807)"),
    (Error("out_of_range"), "a priority below all", "at_least(-9223372036854775807)"),
    (Error("out_of_range"), "raised by less than nothing", "raise(-9223372036854775807 - 1)"),
    (Error("unknown_function"), "a priority in between", "priority(1.5)"),
    (Decided, "raised without end", "priority(4); for n in 0..99 { raise(3); }"),
    (Limit, "raised more often than once can", "priority(4); for n in 0..1000 { raise(3); }"),
    (Error("unknown_table"), "a matrix that is not there", "matrix(\"nothing\", 1, 1)"),
    (Error("no_row"), "a matrix of other numbers", "matrix(\"levels\", 9223372036854775807, 0)"),
    (Error("wrong_type"), "a matrix of texts", "matrix(\"levels\", \"1\", [1])"),
    (Error("out_of_range"), "a matrix that gives what is no priority", "matrix(\"levels\", 1, 1)"),
];

/// Moments of tests, at the ends of time. Each is in a test, since a policy makes up no moments.
const MOMENTS: &[&str] = &[
    "clock(\"9999-12-31T23:59:59Z\"); let a = now(); clock(\"0001-01-01T00:00:00Z\"); a.minutes_since(now());",
    "clock(\"+262142-12-31T23:59:59Z\"); let a = now(); clock(\"-262143-01-01T00:00:00Z\"); a.minutes_since(now()); a.weekday; a.hour; a.to_string();",
    "clock(\"+999999999-01-01T00:00:00Z\");",
    "clock(\"2025-01-01T00:00:60Z\"); business_hours();",
    "clock(\"Tue 99:99\");",
    "let s = \"x\"; for n in 0..11 { s += s; } clock(s);",
    "incident(#{ opened_at: \"-262143-01-01T00:00:00Z\" }).opened_at.minutes_since(now());",
    "incident(#{ impact: 9223372036854775807, urgency: -9223372036854775807 });",
];

pub fn attacks() -> Vec<Attack> {
    let priorities =
        PRIORITIES.iter().map(|&(ends, name, code)| made(ends, name, format!("fn prioritise(i) {{ {code} }}")));
    let tests: String = MOMENTS.iter().enumerate().map(|(n, code)| format!("fn test_{n}() {{ {code} }}\n")).collect();
    let moments = made(Decided, "moments at the ends of time", format!("fn route(i) {{ leave() }}\n{tests}"));
    rows(ROWS).chain(priorities).chain([moments]).collect()
}
