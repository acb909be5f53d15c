//! Sources that are monstrous, or just below what is: bombs for whoever compiles and checks them.

use super::{Attack, Ends::*, made, routing};

pub fn attacks() -> Vec<Attack> {
    let around =
        |open: &str, close: &str, n: usize| routing(&format!("let x = {}1{};", open.repeat(n), close.repeat(n)));
    let after = |first: &str, more: &str, n: usize| routing(&format!("let x = {first}{};", more.repeat(n)));
    let cases: String = (0..2_500).map(|n| format!("{n} => {n}, ")).collect();
    let ranges: String = (0..1_500).map(|n| format!("{n}..{} => 1, ", n + 7)).collect();
    let texts: String = (0..3_000).map(|n| format!("\"t{n}\"; ")).collect();
    let chain: String = (0..1_500).map(|n| format!("if x == {n} {{ }} else ")).collect();
    let unknown: String = (0..1_500).map(|n| format!("i.field{n}; ")).collect();
    let nowhere: String = (0..1_500).map(|n| format!("nowhere{n}(); ")).collect();
    let helpers: String =
        (0..90).map(|n| format!("fn h{n}(x) {{ h{}(x) + h{}(x) }}\n", (n + 1) % 90, (n + 7) % 90)).collect();
    vec![
        made(Refused("too_large"), "a source of a megabyte", "x".repeat(1 << 20)),
        made(Refused("too_large"), "a text of 5,000 letters", routing(&format!("\"{}\"", "a".repeat(5_000)))),
        made(Refused("too_large"), "a list of 15,000", around("[", "1]", 1).replace("11", &"1,".repeat(15_000))),
        made(
            Refused("too_large"),
            "a map of 3,000",
            routing(&format!("#{{{}}}", (0..3000).map(|n| format!("k{n}:1,")).collect::<String>())),
        ),
        made(Refused("too_large"), "parentheses in parentheses", around("(", ")", 10_000)),
        made(Refused("too_large"), "lists in lists", around("[", "]", 10_000)),
        made(Refused("too_large"), "maps in maps", around("#{a:", "}", 5_000)),
        made(Refused("forbidden_word"), "minus of minus", around("-", "", 30_000)),
        made(Refused("too_large"), "not of not", around("!", "", 30_000)),
        made(Refused("too_large"), "sums in parentheses", around("1+(", ")", 5_000)),
        made(Refused("too_large"), "calls in calls", around("twice(", ")", 4_000)),
        made(
            Refused("too_large"),
            "blocks in blocks",
            routing(&format!("{}{}", "{".repeat(10_000), "}".repeat(10_000))),
        ),
        made(
            Refused("too_large"),
            "conditions in conditions",
            routing(&format!("{}{}", "if true {".repeat(2_500), "}".repeat(2_500))),
        ),
        made(
            Refused("too_large"),
            "loops in loops in loops",
            routing(&format!("{}{}", "for n in 0..9 {".repeat(1_500), "}".repeat(1_500))),
        ),
        made(Refused("too_large"), "text in text", around("`${", "}`", 5_000)),
        made(
            Refused("too_large"),
            "a choice in a choice",
            routing(&format!("{}1{}", "switch 1 { 1 => ".repeat(1_200), " }".repeat(1_200))),
        ),
        made(Refused("too_large"), "functions in functions without a name", around("|x| ", "", 5_000)),
        made(Refused("too_large"), "a chain of conditions", routing(&format!("let x = 7; {chain}{{ }}"))),
        made(
            Refused("syntax"),
            "assignments in assignments",
            routing(&format!("let x = 1; {}1", "x = ".repeat(6_000))),
        ),
        made(Refused("too_large"), "properties of properties", after("i", "?.caller", 3_500)),
        made(Refused("too_large"), "short properties of properties", after("i", ".a", 14_000)),
        made(Refused("too_large"), "places of places", after("list()", "[0]", 9_000)),
        made(Refused("too_large"), "methods of methods", after("list()", ".len()", 4_500)),
        made(Refused("too_large"), "a sum of ten thousand", after("1", "+1", 10_000)),
        made(Refused("too_large"), "a difference without end", after("1", "-1", 14_000)),
        made(Refused("too_large"), "and of five thousand", after("true", "&&true", 5_000)),
        made(Refused("too_large"), "or of five thousand", after("false", "||false", 4_000)),
        made(Refused("too_large"), "either of five thousand", after("()", "??()", 6_000)),
        made(Refused("too_large"), "powers of powers", after("2", "**2", 10_000)),
        made(Refused("too_large"), "comparisons of comparisons", after("1", "==1", 9_000)),
        made(Refused("too_large"), "ranges of ranges", after("0", "..0", 9_000)),
        made(Refused("too_large"), "in of in", after("0", " in 0", 5_000)),
        made(Passed, "statements that do nothing", routing(&";".repeat(31_000))),
        made(Passed, "blocks that do nothing", routing(&"{}".repeat(15_000))),
        made(Passed, "numbers without end", routing(&"1;".repeat(15_000))),
        made(Passed, "three thousand texts", routing(&texts)),
        made(Refused("too_large"), "a choice of thousands", routing(&format!("switch 9999 {{ {cases} _ => 1 }};"))),
        made(Passed, "a choice of ranges", routing(&format!("switch 99999 {{ {ranges} _ => 1 }};"))),
        made(Error("unknown_field"), "a thousand fields that are not there", routing(&unknown)),
        made(Error("unknown_function"), "a thousand functions that are not there", routing(&nowhere)),
        made(Limit, "helpers that call one another in circles", format!("fn route(i) {{ h0(1) }}\n{helpers}")),
        made(Refused("no_decision_function"), "comments in comments", "/*".repeat(16_000)),
        made(
            Refused("no_decision_function"),
            "comments that are closed",
            format!("{}{}", "/*".repeat(8_000), "*/".repeat(8_000)),
        ),
        made(Refused("too_large"), "brackets that never close", routing(&"([{".repeat(20))),
        made(Refused("syntax"), "brackets that close what is not open", routing(&")]}".repeat(5_000))),
        made(Passed, "a number beyond all numbers", routing(&"9".repeat(30_000))),
        made(Refused("syntax"), "a number of bits without end", routing(&format!("0b{}", "1".repeat(30_000)))),
        made(Passed, "a fraction without end", routing(&format!("0.{};", "1".repeat(30_000)))),
        made(Passed, "a power of ten without end", routing(&format!("1e{};", "9".repeat(30_000)))),
        made(Passed, "a line of 32,000 letters", routing(&format!("// {}", "x".repeat(31_000)))),
        made(Passed, "thirty thousand lines", routing(&"\n".repeat(31_000))),
        made(Refused("syntax"), "spaces of all kinds", routing(&"\u{3000}\t \u{a0}".repeat(10))),
    ]
}
