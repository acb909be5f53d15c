//! What each function is for: the table that scripts' authors read, and from which each registration takes its metadata.
//!
//! **Invariant:** every function that is registered here has a row in [`functions`], and the example of each row runs.

use std::sync::LazyLock;

use rhai::{Engine, FuncRegistration, RhaiNativeFunc, Variant};

use crate::policy::facts::Schemas;

/// One function.
#[derive(Debug)]
pub struct Row {
    /// Its name; that of a property or an operator where it is one.
    pub name: &'static str,
    /// Names and types of what it takes, the one before the dot first.
    pub params: &'static [(&'static str, &'static str)],
    /// How many of them must be given.
    pub needs: usize,
    /// The type of what it gives.
    pub gives: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// How it is used.
    pub example: &'static str,
}

type Params = &'static [(&'static str, &'static str)];

const fn row(name: &'static str, params: Params, gives: &'static str, doc: &'static str, example: &'static str) -> Row {
    Row { name, params, needs: params.len(), gives, doc, example }
}

const PHRASES: Params = &[
    ("record", "record"),
    ("phrase", "text"),
    ("phrase2", "text"),
    ("phrase3", "text"),
    ("phrase4", "text"),
    ("phrase5", "text"),
    ("phrase6", "text"),
    ("phrase7", "text"),
    ("phrase8", "text"),
];
const KEYS: Params = &[("table", "table"), ("key", "any"), ("key2", "any"), ("key3", "any"), ("key4", "any")];
const TIMES: Params = &[("a", "time"), ("b", "time")];
const TIME: Params = &[("time", "time")];
const MADE_UP: Params = &[("fields", "map")];

/// Every function that scripts have beyond Rhai's own.
pub fn functions() -> impl Iterator<Item = &'static Row> {
    static MADE_UP_RECORDS: LazyLock<Vec<Row>> =
        LazyLock::new(|| Schemas::shipped().all().map(|schema| made_up(schema.name())).collect());
    FUNCTIONS.iter().chain(&*MADE_UP_RECORDS)
}

/// The function that makes up a record of a kind, which bears its name.
fn made_up(kind: &'static str) -> Row {
    Row {
        name: kind,
        params: MADE_UP,
        needs: 0,
        gives: "record",
        // Made once for each kind, and kept as long as the program runs.
        doc: format!("A made-up {kind}: the defaults, and the fields that are given.").leak(),
        example: format!("expect({kind}(#{{ title: \"Mail\" }}).title, \"Mail\")").leak(),
    }
}

/// Those that are the same whatever kinds there are.
const FUNCTIONS: &[Row] = &[
    row(
        "priority",
        &[("priority", "number")],
        "decision",
        "The priority is this, from 1, which comes first, to 4.",
        "priority(2)",
    ),
    row("at_least", &[("priority", "number")], "decision", "The priority is this or a more urgent one.", "at_least(2)"),
    row("raise", &[("steps", "number")], "decision", "The priority is this many steps more urgent.", "raise(1)"),
    row(
        "matrix",
        &[("table", "text"), ("impact", "any"), ("urgency", "any")],
        "decision",
        "The priority is the first column after the key in the row of a lookup table.",
        "matrix(\"priority_matrix\", incident.impact, incident.urgency)",
    ),
    row(
        "assign",
        &[("team", "text")],
        "decision",
        "A team gets the record; the team must be there.",
        "assign(\"service-desk\")",
    ),
    row("assign_to", &[("user", "text")], "decision", "A person gets the record, by user name.", "assign_to(\"alex\")"),
    row(
        "notify",
        &[("who", "text")],
        "decision",
        "A team or a person is told. It answers nothing: the record stays where it is.",
        "notify(\"service-desk\")",
    ),
    row(
        "page",
        &[("who", "text")],
        "decision",
        "A team or a person is told at once, whatever the hour, and is expected to answer.",
        "page(\"service-desk\")",
    ),
    row(
        "escalate_to",
        &[("level", "number"), ("who", "text")],
        "decision",
        "A team or a person further up, from level 1 to 9, is told and is expected to answer.",
        "escalate_to(2, \"service-desk\")",
    ),
    row(
        "risk",
        &[("level", "text")],
        "decision",
        "So much may go wrong: `low`, `medium` or `high`.",
        "risk(\"medium\")",
    ),
    row(
        "approve",
        &[],
        "decision",
        "It is approved, unless another policy requires or rejects something.",
        "approve()",
    ),
    row(
        "reject",
        &[("text", "text")],
        "decision",
        "It is not approved, and this is why.",
        "reject(\"It is too late for this year\")",
    ),
    Row {
        needs: 3,
        ..row(
            "require",
            &[
                ("stage", "text"),
                ("who", "text"),
                ("how_many", "any"),
                ("within", "text"),
                ("calendar", "text"),
                ("then", "text"),
            ],
            "decision",
            "These have to approve: a team, a user, `manager`, `ci_owner`, or `role:` and the name of a role; `any` or `all` of them, a number, or a share such as `50%`; within a time such as `PT48H`, counted by the open time of a calendar where one is named (empty is all time), after which the approval expires, or with `approve` the stage counts as approved. Stages are asked one after the other.",
            "require(\"Change advisory board\", \"service-desk\", \"50%\", \"PT20H\", \"business-hours\")",
        )
    },
    row(
        "review_afterwards",
        &[],
        "decision",
        "A change advisory board looks at it after it was made; it is not closed before.",
        "review_afterwards()",
    ),
    row("propose_major", &[], "decision", "The record is proposed as a major incident.", "propose_major()"),
    row(
        "again_in",
        &[("duration", "text")],
        "decision",
        "The policies are asked again after a time, such as `PT30M`, from a minute to 366 days, unless somebody answers before.",
        "again_in(\"PT30M\")",
    ),
    row("leave", &[], "decision", "The record stays where it is, and no later policy is asked.", "leave()"),
    row(
        "refuse",
        &[("field", "text"), ("text", "text")],
        "decision",
        "The transition must not happen: which field is wrong (empty: none) and what to tell the person.",
        "refuse(\"comment\", \"Say why it is cancelled.\")",
    ),
    row("allow", &[], "decision", "Nothing is in the way of the transition.", "allow()"),
    Row {
        needs: 2,
        ..row(
            "mentions",
            PHRASES,
            "bool",
            "Whether the title or the description holds one of the phrases, as whole words, in any case.",
            "let urgent = incident.mentions(\"phishing\", \"data leak\"); if urgent { }",
        )
    },
    row(
        "changed",
        &[("field", "text")],
        "bool",
        "Whether the field changed with what the decision is about.",
        "if changed(\"impact\") { }",
    ),
    row(
        "was",
        &[("field", "text")],
        "any",
        "What a field held before it changed; `()` when it did not change.",
        "if was(\"impact\") == 3 { }",
    ),
    row("now", &[], "time", "The moment of the decision, in UTC.", "if now().hour >= 18 { }"),
    Row {
        needs: 0,
        ..row(
            "business_hours",
            &[("calendar", "text")],
            "bool",
            "Whether a calendar is open at the moment of the decision: the one of this name, or `business-hours`.",
            "if not business_hours() and business_hours(\"around-the-clock\") { }",
        )
    },
    row(
        "on_call",
        &[("team", "text")],
        "any",
        "The user name of whoever of a team is on call at the moment of the decision; `()` where nobody is.",
        "let who = on_call(\"network\"); if who != () { notify(who) }",
    ),
    row(
        "minutes_since",
        &[("later", "time"), ("earlier", "time")],
        "number",
        "How many whole minutes lie between two times.",
        "if minutes_since(now(), now()) > 30 { }",
    ),
    row("hour", TIME, "number", "The hour of the day in UTC, 0 to 23.", "if now().hour < 8 { }"),
    row("weekday", TIME, "number", "The day of the week, from 1, Monday, to 7, Sunday.", "if now().weekday >= 6 { }"),
    row("<", TIMES, "bool", "Whether a time is before another.", "if now() < now() { }"),
    row("<=", TIMES, "bool", "Whether a time is not after another.", "if now() <= now() { }"),
    row(">", TIMES, "bool", "Whether a time is after another.", "if now() > now() { }"),
    row(">=", TIMES, "bool", "Whether a time is not before another.", "if now() >= now() { }"),
    row("==", TIMES, "bool", "Whether two times are the same.", "if now() == now() { }"),
    row("!=", TIMES, "bool", "Whether two times differ.", "if now() != now() { }"),
    row("to_string", TIME, "text", "A time as RFC 3339 writes it.", "if now().to_string().starts_with(\"2026\") { }"),
    row(
        "replace",
        &[("text", "text"), ("find", "text"), ("with", "text")],
        "nothing",
        "Puts one text in the place of another, in the text itself; what gets longer than 4,096 bytes is refused.",
        "let text = \"a b\"; text.replace(\" \", \"_\"); if text == \"a_b\" { }",
    ),
    row(
        "pad",
        &[("text", "text"), ("length", "number"), ("with", "text")],
        "nothing",
        "Makes a text as long as that, in the text itself, by what is put behind it; nothing adds nothing, and what gets longer than 4,096 letters is refused.",
        "let text = \"7\"; text.pad(3, \".\"); if text == \"7..\" { }",
    ),
    row(
        "team_exists",
        &[("name", "any")],
        "bool",
        "Whether there is a team of this name that can be given work; false for `()`.",
        "if team_exists(\"vip-desk\") { }",
    ),
    row(
        "user_exists",
        &[("name", "any")],
        "bool",
        "Whether there is a user of this name who can be given work; false for `()`.",
        "if user_exists(\"alex\") { }",
    ),
    row("table", &[("name", "text")], "table", "A lookup table.", "if table(\"category_teams\").has(\"network\") { }"),
    Row {
        needs: 2,
        ..row(
            "has",
            KEYS,
            "bool",
            "Whether a table has a row for a key; false when a part of the key is `()`.",
            "if table(\"category_teams\").has(incident.category) { }",
        )
    },
    Row {
        needs: 2,
        ..row(
            "find",
            KEYS,
            "any",
            "The row of a table for a key, whose columns are read by name; `()` when there is none.",
            "let team = table(\"category_teams\").find(\"network\").team; if team == \"x\" { }",
        )
    },
    Row {
        needs: 0,
        ..row(
            "moment",
            MADE_UP,
            "record",
            "A made-up moment at which an escalation is asked about, by its fields or by its cause.",
            "expect(moment(\"breach\").cause, \"breach\")",
        )
    },
    Row {
        needs: 0,
        ..row(
            "transition",
            MADE_UP,
            "record",
            "A made-up transition, by its fields or by its name.",
            "expect(transition(\"resolve\").name, \"resolve\")",
        )
    },
    row(
        "expect",
        &[("actual", "any"), ("expected", "any")],
        "nothing",
        "Fails the test unless the values are equal, or the decision came to what is expected: a team, a user, a priority, `true` for an allowed transition, the field that is wrong for a refused one, one of the things that an escalation says, such as `page nora`, `level 2: duty-manager` or `Board: any of cab`, the highest risk, `()` for none, a list for all of several.",
        "expect(1 + 1, 2)",
    ),
    row(
        "clock",
        &[("time", "text")],
        "nothing",
        "Sets the moment of the test: RFC 3339, or a weekday and a time of the week of 6 January 2025.",
        "clock(\"Tue 23:00\"); expect(business_hours(), false)",
    ),
    row(
        "before",
        &[("fields", "map")],
        "nothing",
        "Says what fields held before: the decision sees them as changed.",
        "before(#{ title: \"Slow\" }); expect(was(\"title\"), \"Slow\")",
    ),
    row(
        "without",
        &[("name", "text")],
        "nothing",
        "Says that there is no team and no user of this name; otherwise any is there in a test.",
        "without(\"vip-desk\"); expect(team_exists(\"vip-desk\"), false)",
    ),
    row(
        "on_duty",
        &[("team", "text"), ("user", "text")],
        "nothing",
        "Says who of a team is on call; otherwise nobody is in a test.",
        "on_duty(\"network\", \"nora\"); expect(on_call(\"network\"), \"nora\")",
    ),
    row(
        "prioritise",
        &[("record", "record")],
        "outcome",
        "Makes the priority decision, as it is made live, on a made-up record.",
        "expect(prioritise(incident()), 2)",
    ),
    row(
        "route",
        &[("record", "record")],
        "outcome",
        "Makes the routing decision, as it is made live, on a made-up record.",
        "expect(route(incident()), \"service-desk\")",
    ),
    row(
        "check",
        &[("record", "record"), ("transition", "record")],
        "outcome",
        "Asks the guard, as it is asked live, about a made-up record as the transition would leave it.",
        "expect(check(incident(), transition(\"start\")), true)",
    ),
    row(
        "assess_risk",
        &[("record", "record")],
        "outcome",
        "Asks how much may go wrong, as it is asked live, with a made-up record.",
        "expect(assess_risk(change()), \"medium\")",
    ),
    row(
        "approvals",
        &[("record", "record")],
        "outcome",
        "Asks who approves, as it is asked live, of a made-up record.",
        "expect(approvals(change()), \"approve\")",
    ),
    row(
        "escalate",
        &[("record", "record"), ("moment", "record")],
        "outcome",
        "Asks who has to know, as it is asked live, about a made-up record at a moment.",
        "expect(escalate(incident(), moment(\"breach\")), \"page service-desk\")",
    ),
];

/// The row of a function.
pub fn of(name: &str) -> Option<&'static Row> {
    functions().find(|row| row.name == name)
}

/// A type as Rhai's own metadata and editors call it.
fn in_rhai(kind: &str) -> &str {
    match kind {
        "text" => "String",
        "number" => "int",
        "list" => "Array",
        "map" => "Map",
        "any" => "?",
        "nothing" => "()",
        own => own,
    }
}

/// A registration with what the table says of the function, of which so many parameters are taken.
fn documented(registration: FuncRegistration, name: &str, params: usize) -> FuncRegistration {
    let Some(row) = of(name) else { return registration };
    let info = row.params.iter().take(params).map(|(name, kind)| format!("{name}: {}", in_rhai(kind)));
    let info: Vec<String> = info.chain(std::iter::once(in_rhai(row.gives).to_owned())).collect();
    let comment = format!("/// {}\n///\n/// ```rhai\n/// {}\n/// ```", row.doc, row.example);
    registration.with_params_info(info).with_comments([comment])
}

/// Gives an engine a function, with its row of the table.
pub fn tell<A: 'static, const N: usize, const X: bool, R: Variant + Clone, const F: bool>(
    engine: &mut Engine,
    name: &str,
    function: impl RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
) {
    documented(FuncRegistration::new(name), name, N).register_into_engine(engine, function);
}

/// Gives an engine a property, with its row of the table.
pub fn tell_property<A: 'static, const N: usize, const X: bool, R: Variant + Clone, const F: bool>(
    engine: &mut Engine,
    name: &str,
    function: impl RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
) {
    documented(FuncRegistration::new_getter(name), name, N).register_into_engine(engine, function);
}

/// Gives an engine the getter of a field, with what the schemas say of it.
pub fn tell_field<A: 'static, const N: usize, const X: bool, R: Variant + Clone, const F: bool>(
    engine: &mut Engine,
    name: &str,
    docs: &[String],
    function: impl RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
) {
    let comment = docs.iter().map(|doc| format!("/// {doc}")).collect::<Vec<_>>().join("\n");
    FuncRegistration::new_getter(name)
        .with_params_info(["record: record", "?"])
        .with_comments([comment])
        .register_into_engine(engine, function);
}
