//! Scripts by chance: from a grammar that knows types and what stands around, so that most compile and do much, and from what
//! ships, changed here and there.

use std::fmt::Write as _;

use pointsman::policy::library::Library;

/// Chance that can be had again: SplitMix64 (Steele, Lea and Flood 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// What an expression gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Int,
    Text,
    Bool,
    List,
    Map,
}

const TYPES: [Type; 5] = [Type::Int, Type::Text, Type::Bool, Type::List, Type::Map];

const INTS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "7",
    "16",
    "100",
    "250",
    "257",
    "1000",
    "4096",
    "100000",
    "-1",
    "i.impact",
    "i.urgency",
    "i.tags.len()",
    "i.title.len()",
    "0x7fff",
    "now().hour",
    "now().weekday",
];
/// Numbers by which hardly any script ends well.
const EXTREMES: &[&str] =
    &["9223372036854775807", "-9223372036854775807", "(-9223372036854775807 - 1)", "1e308", "1.5"];
const TEXTS: &[&str] = &[
    "\"\"",
    "\"a\"",
    "\"mail\"",
    "\"network\"",
    "\"phishing\"",
    "\"ß🏴é\\u0301\"",
    "\"\\u0000\\u202e\"",
    "\"a,b,,c\"",
    "\"*\"",
    "i.title",
    "i.description",
    "(i.category ?? \"\")",
    "\"0123456789abcdef\"",
    "\"team \"",
    "now().to_string()",
];
const BOOLS: &[&str] = &[
    "true",
    "false",
    "business_hours()",
    "i.title.contains(\"mail\")",
    "i.caller?.vip == true",
    "i.service?.criticality == \"gold\"",
    "changed(\"impact\")",
    "was(\"impact\") == 3",
    "i.team == ()",
];
const LISTS: &[&str] =
    &["[]", "[1, 2, 3]", "[\"a\", \"b\", \"a\"]", "i.tags", "[[1], [2, [3]]]", "[true, (), 1.5]", "\"a b c\".split()"];
const MAPS: &[&str] = &["#{}", "#{ a: 1, b: \"x\" }", "#{ a: #{ b: [1, 2] } }", "#{ \"k\": i.title }"];
/// Words that are put into what ships.
const WORDS: &[&str] = &[
    "rule",
    "when",
    "then",
    "also",
    "and",
    "or",
    "not",
    "(",
    ")",
    "{",
    "}",
    ";",
    "\"",
    "`",
    "${",
    "[",
    "]",
    "#{",
    "?.",
    "??",
    "..",
    "1",
    "9223372036854775807",
    "i",
    "incident",
    "for n in 0..100000 {",
    "if",
    "else",
    "switch",
    "=>",
    "|x|",
    "let x =",
    "fn",
    "return",
    "assign(",
    "table(",
    ".find(",
    ".has(",
    ".mentions(",
    "matrix(",
    "()",
    "true",
    "-",
    "!",
    "**",
    "%",
    "this",
    "/*",
    "//",
];

/// Makes scripts.
pub struct Grammar {
    shipped: Vec<String>,
}

impl Grammar {
    pub fn new() -> Grammar {
        Grammar { shipped: Library::shipped().unwrap().scripts.into_iter().map(|script| script.source).collect() }
    }

    /// The script of a number: always the same.
    pub fn script(&self, number: u64) -> String {
        let mut chance = Chance(number);
        if chance.one_in(6) { self.changed(&mut chance) } else { Maker::new(chance).script() }
    }

    /// Something that ships, with words left out, doubled, exchanged and put in.
    fn changed(&self, chance: &mut Chance) -> String {
        let source = &self.shipped[chance.below(self.shipped.len())];
        let mut words: Vec<&str> = source.split_inclusive([' ', '(', '\n', '.', '"']).collect();
        for _ in 0..1 + chance.below(4) {
            let (at, other) = (chance.below(words.len()), chance.below(words.len()));
            match chance.below(5) {
                0 => drop(words.remove(at)),
                1 => words.insert(at, words[other]),
                2 => words.swap(at, other),
                3 => words.insert(at, chance.of(WORDS)),
                _ => words[at] = chance.of(WORDS),
            }
        }
        words.concat()
    }
}

/// Makes one script.
struct Maker {
    chance: Chance,
    out: String,
    /// What stands around, by type.
    around: Vec<(String, Type)>,
    named: usize,
    /// How deep it is in code.
    depth: usize,
    /// How deep code and expressions may be: what is too deep is refused.
    most: (usize, usize),
    decision: Decision,
}

struct Decision {
    head: &'static str,
    effects: &'static [&'static str],
}

const DECISIONS: [Decision; 3] = [
    Decision {
        head: "fn route(i)",
        effects: &[
            "leave()",
            "assign(\"network\")",
            "assign(\"a\" + TEXT)",
            "notify(\"n\" + INT)",
            "assign_to(\"ada\")",
        ],
    },
    Decision {
        head: "fn prioritise(i)",
        effects: &["priority(2)", "raise(1)", "at_least(2)", "priority(1)", "matrix(\"levels\", 1, 2)"],
    },
    Decision { head: "fn check(i, t)", effects: &["allow()", "refuse(\"title\", TEXT)", "refuse(TEXT, TEXT)"] },
];

/// Helpers that every script may call, each with the types of its arguments.
const HELPERS: &[(&str, Type, &[Type])] = &[
    ("h_int", Type::Int, &[Type::Int, Type::Text]),
    ("h_text", Type::Text, &[Type::Text, Type::Int]),
    ("h_list", Type::List, &[Type::List, Type::Int]),
    ("h_bool", Type::Bool, &[Type::Map]),
];

impl Maker {
    fn new(mut chance: Chance) -> Maker {
        let [routing, priority, guard] = DECISIONS;
        let decision = match chance.below(4) {
            0 => priority,
            1 => guard,
            _ => routing,
        };
        let most = if chance.one_in(8) { (2, 2) } else { [(2, 0), (1, 1), (1, 1), (0, 2)][chance.below(4)] };
        Maker { chance, out: String::new(), around: Vec::new(), named: 0, depth: 0, most, decision }
    }

    fn script(mut self) -> String {
        self.function(self.decision.head, Vec::new(), None);
        for (name, gives, takes) in HELPERS {
            let names: Vec<String> = (0..takes.len()).map(|n| format!("p{n}")).collect();
            let around = names.iter().cloned().zip(takes.iter().copied()).collect();
            // Helpers see no record: those that read one fail, as those of people do.
            let head = format!("fn {name}({})", names.join(", "));
            self.function(&head, around, Some(*gives));
        }
        if self.chance.one_in(4) {
            self.function("fn test_it()", Vec::new(), Some(Type::Bool));
        }
        self.out
    }

    fn function(&mut self, head: &str, around: Vec<(String, Type)>, gives: Option<Type>) {
        (self.around, self.depth) = (around, 0);
        write!(self.out, "{head} {{ ").unwrap();
        if !head.contains("(i") {
            self.out.push_str("let i = #{ title: \"t\", description: \"d\", category: \"c\", tags: [1], impact: 1, urgency: 2, team: (), caller: (), service: () }; ");
        }
        for _ in 0..1 + self.chance.below(5) {
            self.statement();
        }
        let last = gives.map_or("()".to_owned(), |of| self.expression(of, 0));
        writeln!(self.out, "{last} }}").unwrap();
    }

    fn name(&mut self) -> String {
        self.named += 1;
        format!("v{}", self.named)
    }

    fn any(&mut self) -> Type {
        TYPES[self.chance.below(TYPES.len())]
    }

    /// A template with its words in capitals replaced by expressions.
    fn filled(&mut self, template: &str, deep: usize) -> String {
        let mut text = template.to_owned();
        for (word, of) in
            [("INT", Type::Int), ("TEXT", Type::Text), ("BOOL", Type::Bool), ("LIST", Type::List), ("MAP", Type::Map)]
        {
            while text.contains(word) {
                text = text.replacen(word, &self.expression(of, deep + 1), 1);
            }
        }
        while text.contains("ANY") {
            let of = self.any();
            text = text.replacen("ANY", &self.expression(of, deep + 1), 1);
        }
        while text.contains("CALLBACK") {
            text = text.replacen("CALLBACK", &self.callback(deep), 1);
        }
        text
    }

    /// What a function without a name gives; it sees no variables but its own.
    fn callback(&mut self, deep: usize) -> String {
        let around = std::mem::take(&mut self.around);
        self.around = vec![("x".to_owned(), Type::Int)];
        let of = if self.chance.one_in(2) { Type::Bool } else { self.any() };
        let inner = self.expression(of, deep + 2).replace("i.", "x.").replace("now().", "x.");
        self.around = around;
        inner
    }

    fn expression(&mut self, of: Type, deep: usize) -> String {
        let fitting: Vec<String> = self.around.iter().filter(|(_, t)| *t == of).map(|(name, _)| name.clone()).collect();
        if !fitting.is_empty() && self.chance.one_in(2) {
            return fitting[self.chance.below(fitting.len())].clone();
        }
        let (plain, made): (&[&str], &[&str]) = match of {
            Type::Int => (INTS, INTS_MADE),
            Type::Text => (TEXTS, TEXTS_MADE),
            Type::Bool => (BOOLS, BOOLS_MADE),
            Type::List => (LISTS, LISTS_MADE),
            Type::Map => (MAPS, MAPS_MADE),
        };
        if of == Type::Int && self.chance.one_in(40) {
            return self.chance.of(EXTREMES).to_owned();
        }
        if deep > self.most.1 || self.chance.one_in(3) {
            return self.chance.of(plain).to_owned();
        }
        let template = self.chance.of(made);
        self.filled(template, deep)
    }

    fn block(&mut self) {
        self.depth += 1;
        let around = self.around.len();
        for _ in 0..1 + self.chance.below(3) {
            self.statement();
        }
        self.around.truncate(around);
        self.depth -= 1;
    }

    fn statement(&mut self) {
        let choice = if self.depth >= self.most.0 { self.chance.below(6) } else { self.chance.below(12) };
        match choice {
            0 | 1 => {
                let (name, of) = (self.name(), self.any());
                let value = self.expression(of, 0);
                write!(self.out, "let {name} = {value}; ").unwrap();
                self.around.push((name, of));
            }
            2 => self.change(),
            3 => {
                let template = self.chance.of(self.decision.effects);
                let effect = self.filled(template, 1);
                write!(self.out, "{effect}; ").unwrap();
            }
            4 => {
                let template = self.chance.of(STATEMENTS);
                let made = self.filled(template, 0);
                write!(self.out, "{made}; ").unwrap();
            }
            5 | 6 => self.rule(),
            7 | 8 => {
                let condition = self.expression(Type::Bool, 0);
                write!(self.out, "if {condition} {{ ").unwrap();
                self.block();
                self.out.push_str("} else { ");
                self.block();
                self.out.push_str("} ");
            }
            9 | 10 => self.round(),
            _ => {
                let on = self.expression(Type::Int, 0);
                write!(self.out, "switch {on} {{ 1 => {{ ").unwrap();
                self.block();
                self.out.push_str("} 2..100 => { ");
                self.block();
                self.out.push_str("} _ => () } ");
            }
        }
    }

    fn change(&mut self) {
        let Some((name, of)) =
            (!self.around.is_empty()).then(|| self.around[self.chance.below(self.around.len())].clone())
        else {
            return;
        };
        let template = match of {
            Type::Int => self.chance.of(&["V += INT", "V *= INT", "V = INT - V", "V /= INT", "V %= INT", "V **= 3"]),
            Type::Text => self.chance.of(&[
                "V += TEXT",
                "V = V + V",
                "V.replace(TEXT, TEXT)",
                "V.pad(INT, TEXT)",
                "V.crop(INT, INT)",
                "V.truncate(INT)",
                "V.trim()",
                "V.remove(TEXT)",
                "V = `${V}${ANY}`",
                "V.make_upper()",
                "V -= TEXT",
            ]),
            Type::Bool => "V = !V",
            Type::List => self.chance.of(&[
                "V.push(ANY)",
                "V += V",
                "V.insert(INT, ANY)",
                "V.pad(INT, ANY)",
                "V.sort(|x, y| CALLBACK)",
                "V.sort()",
                "V.reverse()",
                "V.drain(|x| CALLBACK)",
                "V.retain(|x| CALLBACK)",
                "V.splice(INT, INT, LIST)",
                "V.dedup()",
                "V.dedup(|x, y| CALLBACK)",
                "V.truncate(INT)",
                "V[INT] = ANY",
                "V.append(LIST)",
                "V.extract(INT, INT)",
                "V.for_each(|x| this = x)",
                "V = [V, V]",
                "V.set(INT, ANY)",
                "V.remove(INT)",
                "V.pop()",
                "V.shift()",
            ]),
            Type::Map => self.chance.of(&[
                "V[TEXT] = ANY",
                "V += MAP",
                "V.mixin(MAP)",
                "V.remove(TEXT)",
                "V.a = ANY",
                "V.fill_with(MAP)",
                "V = #{ v: V, w: V }",
                "V.retain(|x, y| CALLBACK)",
                "V.drain(|x, y| CALLBACK)",
                "V.clear()",
            ]),
        };
        let filled = self.filled(&template.replace('V', &name), 1);
        write!(self.out, "{filled}; ").unwrap();
    }

    fn rule(&mut self) {
        let conditions: Vec<String> = (0..1 + self.chance.below(3)).map(|_| self.expression(Type::Bool, 1)).collect();
        let (condition, name) = (conditions.join(self.chance.of(&[" and ", " or ", " and not "])), self.name());
        let template = self.chance.of(self.decision.effects);
        let (effect, how) = (self.filled(template, 1), self.chance.of(&["then", "also", "also", "also"]));
        write!(self.out, "rule \"{name}\" when {condition} {how} {effect}; ").unwrap();
    }

    fn round(&mut self) {
        let over = match self.chance.below(6) {
            0 => self.expression(Type::List, 0),
            1 => format!("{}.chars()", self.expression(Type::Text, 1)),
            2 => format!(
                "range({}, {}, {})",
                self.expression(Type::Int, 1),
                self.expression(Type::Int, 1),
                self.expression(Type::Int, 1)
            ),
            3 => format!("0..{}", self.expression(Type::Int, 0)),
            _ => format!("0..{}", self.chance.of(&["5", "250", "100000", "9223372036854775807"])),
        };
        let name = self.name();
        write!(self.out, "for {name} in {over} {{ ").unwrap();
        self.around.push((name.clone(), Type::Int));
        self.block();
        self.around.retain(|(other, _)| *other != name);
        self.out.push_str("} ");
    }
}

const INTS_MADE: &[&str] = &[
    "(INT + INT)",
    "(INT - INT)",
    "(INT * INT)",
    "(INT / INT)",
    "(INT % INT)",
    "(INT ** 2)",
    "(-INT)",
    "abs(INT)",
    "TEXT.len()",
    "LIST.len()",
    "TEXT.index_of(TEXT)",
    "LIST.index_of(ANY)",
    "MAP.len()",
    "max(INT, INT)",
    "min(INT, INT)",
    "(if BOOL { INT } else { INT })",
    "h_int(INT, TEXT)",
    "parse_int(INT.to_string())",
    "(INT << 3)",
    "(INT >> 60)",
    "(INT & INT)",
    "LIST.reduce(|x, y| CALLBACK, INT)",
    "(MAP.a ?? INT)",
    "now().minutes_since(now())",
    "sign(INT)",
    "(switch INT { 1 => INT, _ => INT })",
    "TEXT.chars().len()",
];
const TEXTS_MADE: &[&str] = &[
    "(TEXT + TEXT)",
    "`${ANY} and ${INT}`",
    "TEXT.sub_string(INT, INT)",
    "TEXT.to_upper()",
    "TEXT.to_lower()",
    "INT.to_string()",
    "LIST.to_string()",
    "MAP.to_string()",
    "INT.to_hex()",
    "INT.to_binary()",
    "(if BOOL { TEXT } else { TEXT })",
    "h_text(TEXT, INT)",
    "(TEXT + ANY)",
    "TEXT.get(INT)",
    "(table(\"teams\").find(TEXT)?.team ?? TEXT)",
    "(TEXT ?? TEXT)",
    "type_of(ANY)",
    "MAP.to_json()",
];
const BOOLS_MADE: &[&str] = &[
    "(BOOL && BOOL)",
    "(BOOL || BOOL)",
    "!BOOL",
    "(INT < INT)",
    "(INT == INT)",
    "(TEXT == TEXT)",
    "(ANY == ANY)",
    "(TEXT < TEXT)",
    "(LIST == LIST)",
    "(MAP == MAP)",
    "TEXT.contains(TEXT)",
    "(TEXT in TEXT)",
    "(ANY in LIST)",
    "LIST.some(|x| CALLBACK)",
    "LIST.all(|x| CALLBACK)",
    "team_exists(TEXT)",
    "user_exists(TEXT)",
    "table(\"teams\").has(TEXT)",
    "table(\"levels\").has(INT, INT)",
    "LIST.is_empty()",
    "TEXT.starts_with(TEXT)",
    "h_bool(MAP)",
    "(INT in 0..INT)",
    "is_zero(INT)",
    "MAP.contains(TEXT)",
    "TEXT.ends_with(TEXT)",
];
const LISTS_MADE: &[&str] = &[
    "[ANY, ANY, ANY]",
    "(LIST + LIST)",
    "TEXT.split(TEXT)",
    "TEXT.split()",
    "TEXT.to_chars()",
    "LIST.map(|x| CALLBACK)",
    "LIST.filter(|x| CALLBACK)",
    "MAP.keys()",
    "MAP.values()",
    "h_list(LIST, INT)",
    "LIST.extract(INT, INT)",
    "LIST.chop(INT)",
    "LIST.split(INT)",
    "[LIST, LIST]",
    "LIST.zip(LIST, |x, y| CALLBACK)",
    "(if BOOL { LIST } else { LIST })",
    "TEXT.split(INT)",
    "[TEXT, INT, MAP, LIST]",
];
const MAPS_MADE: &[&str] = &[
    "#{ a: ANY, b: ANY }",
    "#{ a: MAP }",
    "(MAP + MAP)",
    "#{ l: LIST, t: TEXT }",
    "(if BOOL { MAP } else { MAP })",
    "MAP.filter(|x, y| CALLBACK)",
    "MAP.map(|x, y| CALLBACK)",
];
const STATEMENTS: &[&str] = &[
    "ANY",
    "h_list(LIST, INT)",
    "h_text(TEXT, INT)",
    "LIST.map(|x| CALLBACK)",
    "LIST.sort(|x, y| CALLBACK)",
    "if BOOL { return }",
    "h_int(INT, TEXT)",
    "LIST.for_each(|x| CALLBACK)",
    "table(\"teams\")",
    "TEXT.pad(INT, TEXT)",
    "LIST.pad(INT, ANY)",
    "i.title",
    "MAP.x",
    "LIST[INT]",
    "TEXT[INT]",
];
