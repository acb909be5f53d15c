//! Reaching out: for code, files, the clock, other threads, and what belongs to the engine.

use super::{Attack, Ends::*, Row, rows};

const ROWS: &[Row] = &[
    (Refused("forbidden_word"), "eval", r#"eval("40 + 2")"#),
    (Refused("forbidden_word"), "a function by its name", r#"Fn("twice").call(0)"#),
    (Refused("forbidden_word"), "a call by name", r#"call("twice", 0)"#),
    (Refused("forbidden_word"), "currying", r#"|x| x.curry(1)"#),
    (Refused("forbidden_word"), "an import", r#"import "/etc/passwd" as p;"#),
    (Refused("forbidden_word"), "an export", r#"let x = 1; export x;"#),
    (Refused("forbidden_word"), "printing", r#"print("x")"#),
    (Refused("forbidden_word"), "debugging", r#"debug("x")"#),
    (Refused("forbidden_word"), "loop", "loop { }"),
    (Refused("forbidden_word"), "while", "while true { }"),
    (Refused("forbidden_word"), "do and while", "do { } while true;"),
    (Refused("forbidden_word"), "do and until", "do { } until false;"),
    (Refused("forbidden_word"), "swallowing errors", "try { twice(0) } catch { }"),
    (Refused("forbidden_word"), "throwing", "throw 1;"),
    (Error("unknown_function"), "sleeping", "sleep(3600);"),
    (Error("unknown_function"), "ending the process", "exit(1);"),
    (Error("unknown_function"), "reading JSON", r#"parse_json("[[[[[[[[]]]]]]]]");"#),
    (Error("unknown_function"), "the clock of the machine", "timestamp();"),
    (Error("unknown_function"), "bytes", "blob(1000000000);"),
    (Error("unknown_function"), "a random number", "rand()"),
    (Error("unknown_function"), "the environment", r#"env("DATABASE_URL")"#),
    (Error("unknown_function"), "a file", r#"open_file("/etc/passwd")"#),
    (Error("unknown_function"), "bits of a number", "let n = 5; n.get_bits(0, 64)"),
    (Error("script"), "the namespace of constants", "global::SECRET"),
    (Refused("syntax"), "functions of another module", "std::fs::read()"),
    (Refused("forbidden_word"), "a reserved word of threads", "spawn { }"),
    (Error("script"), "this, where there is none", "this.title = 1"),
];

pub fn attacks() -> Vec<Attack> {
    rows(ROWS).collect()
}
