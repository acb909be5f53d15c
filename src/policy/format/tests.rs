//! Scripts before and after, and scripts of every shape.

mod random;

use std::{fs, path::PathBuf};

use super::*;
use crate::policy::runner::on_ample_stack;

/// Every script of a folder and those below it.
fn scripts(folder: &str) -> Vec<(String, String)> {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rhai") {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// What must be so for a script that can be read: laid out, it means the same, and stays as it is.
fn holds(source: &str) -> Result<(), String> {
    let Ok(before) = parse(source) else { return Ok(()) };
    let out = lay_out(source);
    let fault =
        |what: &str| Err(format!("{what}\n--- before\n{source}\n--- after\n{out}\n--- again\n{}", lay_out(&out)));
    match parse(&out) {
        Err(problem) => return fault(&problem.message),
        Ok(after) if tree(&before) != tree(&after) => return fault("it means something else"),
        Ok(_) if words(source) != words(&out) => return fault("it has other words"),
        Ok(_) if lay_out(&out) != out => return fault("it is laid out anew"),
        Ok(_) => {}
    }
    let texts: Vec<_> = with_comments(&out).into_iter().filter(|t| !t.comment && t.text.contains('\n')).collect();
    let in_text = |line: usize| texts.iter().any(|t| (t.range.start.0..t.range.end.0).contains(&line));
    for (line, text) in (1..).zip(out.lines()) {
        if text.ends_with(char::is_whitespace) && !in_text(line) {
            return fault(&format!("line {line} ends in space"));
        }
    }
    if out.contains("\n\n\n") && texts.is_empty() { fault("two blank lines") } else { Ok(()) }
}

#[test]
fn what_ships_is_laid_out() {
    on_ample_stack(|| {
        for (name, source) in scripts("rules") {
            assert_eq!(format(&source).unwrap(), source, "{name}");
        }
    })
    .unwrap();
}

#[test]
fn faulty_and_sound_scripts_keep_their_meaning() {
    on_ample_stack(|| {
        let all = scripts("tests/policies");
        let read = all.iter().filter(|(_, source)| parse(source).is_ok()).count();
        assert!(read > 80, "{read}");
        for (name, source) in all {
            holds(&source).map_err(|fault| format!("{name}: {fault}")).unwrap();
        }
    })
    .unwrap();
}

#[test]
fn a_script_that_cannot_be_read_is_left_alone_with_its_error() {
    let problem = on_ample_stack(|| format("fn f() {\n  let x = ;\n}")).unwrap().unwrap_err();
    assert_eq!((problem.code.as_str(), problem.line), ("syntax", 2));
    let long = on_ample_stack(|| format(&" ".repeat(40_000))).unwrap().unwrap_err();
    assert_eq!(long.code, "too_large");
}

/// Each: what it shows, before, after.
const CASES: &[(&str, &str, &str)] = &[
    ("nothing", "  \n\n", ""),
    ("statements stand on lines of their own", "fn f(a){let x=a+1;\nx}", "fn f(a) {\n    let x = a + 1;\n    x\n}\n"),
    ("what fits stays on one line", "fn f(a){ a }   fn g() {}", "fn f(a) { a }\nfn g() {}\n"),
    (
        "one blank line at most, and none at the ends of blocks",
        "\n\nfn f() {\n\n  1;\n\n\n  2\n\n}\n\n\n\nfn g() {}\n\n",
        "fn f() {\n    1;\n\n    2\n}\n\nfn g() {}\n",
    ),
    (
        "a rule on one line stays there where it fits",
        "fn route(i) {\nrule \"A\" when   i.a==1 then leave( );\n}",
        "fn route(i) {\n    rule \"A\" when i.a == 1 then leave();\n}\n",
    ),
    (
        "a rule that was broken has its clauses on lines of their own",
        "fn route(i) {\nrule \"A\" when i.a==1\n and i.b also notify(\"x\") then leave()\n}",
        "fn route(i) {\n    rule \"A\"\n        when i.a == 1\n             and i.b\n        also notify(\"x\")\n        then leave()\n}\n",
    ),
    (
        "a rule that is too long is broken, and so is the block around it",
        "fn route(incident) { rule \"A long name for a rule\" when incident.category == \"network\" then assign(\"service-desk\"); }",
        "fn route(incident) {\n    rule \"A long name for a rule\" when incident.category == \"network\" then assign(\"service-desk\");\n}\n",
    ),
    (
        "lists and maps are broken where their author broke them",
        "fn f() {\ng(#{a:1,\n  b: [1,2,\n3],\n});\ng(\n1,\n2\n)\n}",
        "fn f() {\n    g(#{ a: 1,\n        b: [1, 2,\n            3],\n    });\n    g(\n        1,\n        2\n    )\n}\n",
    ),
    (
        "blocks of one `if` are laid out alike",
        "fn f(a) {\nif a==1 { 1 }\nelse if a==2 {\n 2 } else\n{ 3 }\n}",
        "fn f(a) {\n    if a == 1 {\n        1\n    } else if a == 2 {\n        2\n    } else {\n        3\n    }\n}\n",
    ),
    (
        "arms of a switch",
        "fn f(a) {\nswitch a { 1|2 => 3, \"x\" if a>1 => { 4 }\n _ => if a==3 {1} else {2} }\n}",
        "fn f(a) {\n    switch a {\n        1 | 2 => 3,\n        \"x\" if a > 1 => { 4 }\n        _ => if a == 3 { 1 } else { 2 }\n    }\n}\n",
    ),
    (
        "signs, ranges, closures, calls and fields",
        "fn f(a) { -a+ -1- -a*(-a) ; !a ;for i in 0 .. 5 {g(i)[0] ?. x ?? a . b};\na.map( | x,y | x|y).filter(|| true) }",
        "fn f(a) {\n    -a + -1 - -a * (-a);\n    !a;\n    for i in 0..5 { g(i)[0]?.x ?? a.b };\n    a.map(|x, y| x | y).filter(|| true)\n}\n",
    ),
    ("a minus that is not part of its number", "fn f() { - 1.abs() + -1.abs() }", "fn f() { - 1.abs() + -1.abs() }\n"),
    (
        "lines that go on are indented",
        "fn f(a) {\nlet x = a\n+ 1\n.b;\nlet y =\nx;\nreturn (a\nor x);\n}",
        "fn f(a) {\n    let x = a\n        + 1\n        .b;\n    let y =\n        x;\n    return (a\n        or x);\n}\n",
    ),
    (
        "comments stay where they are",
        "//! Top.\n\n\n/// Doc. \nfn f(a) { // why\n/* one */ let x = 1; /* two */\n   // three\n  g(a, // four\n x /* five */);\n  x // six\n}\n// end",
        "//! Top.\n\n/// Doc.\nfn f(a) { // why\n    /* one */ let x = 1; /* two */\n    // three\n    g(a, // four\n        x /* five */);\n    x // six\n}\n// end\n",
    ),
    (
        "texts are left as they are, and are read as before where they move",
        "fn f(a) {\n  g(`x ${a+1} y\n   z`, #\"q\"#, \"a\"\"b\");\n  let s = \"one \\\n           two \\\n            three\";\n}",
        "fn f(a) {\n    g(`x ${a + 1} y\n   z`, #\"q\"#, \"a\"\"b\");\n    let s = \"one \\\n             two \\\n              three\";\n}\n",
    ),
];

#[test]
fn scripts_before_and_after() {
    on_ample_stack(|| {
        for (what, before, after) in CASES {
            assert_eq!(lay_out(before), *after, "{what}");
            assert_eq!(format(before).as_deref(), Ok(*after), "{what} is refused");
            holds(before).unwrap();
        }
    })
    .unwrap();
}
