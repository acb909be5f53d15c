//! Reading iCalendar (RFC 5545) as far as holidays need it: content lines with their numbers, and the events that they make up.
//! What the lines mean is for [`holidays`](super::holidays).

/// A line that is wrong, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it, in a sentence.
    pub detail: String,
}

/// A content line: `NAME;PARAMETER=value:value`.
#[derive(Debug, PartialEq, Eq)]
pub struct Property {
    /// The number of its first line, from 1.
    pub line: usize,
    /// Its name in upper case.
    pub name: String,
    /// Its parameters, with names in upper case.
    pub parameters: Vec<(String, String)>,
    /// Its value as it stands there.
    pub value: String,
}

/// An event: what stands between `BEGIN:VEVENT` and `END:VEVENT`, without what is nested.
#[derive(Debug)]
pub struct Event {
    /// Where it begins.
    pub line: usize,
    properties: Vec<Property>,
}

impl Event {
    /// The first property of a name.
    pub fn get(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// All properties of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Property> {
        self.properties.iter().filter(move |property| property.name == name)
    }
}

impl Property {
    /// The text of a value, without its escapes.
    pub fn text(&self) -> String {
        let (mut text, mut escaped) = (String::new(), false);
        for c in self.value.chars() {
            match (escaped, c) {
                (false, '\\') => escaped = true,
                (true, 'n' | 'N') => (escaped, text) = (false, text + "\n"),
                (_, c) => {
                    escaped = false;
                    text.push(c);
                }
            }
        }
        text
    }
}

/// The events of a text, in their order.
///
/// # Errors
/// The first line that is no content line, or that stands where it can't.
pub fn events(text: &str) -> Result<Vec<Event>, Fault> {
    let (mut events, mut open): (Vec<Event>, Vec<(String, usize)>) = (Vec::new(), Vec::new());
    let mut last = 1;
    for (line, unfolded) in unfold(text) {
        last = line;
        let property = property(line, &unfolded)?;
        let component = property.value.to_ascii_uppercase();
        match property.name.as_str() {
            "BEGIN" => {
                if open.is_empty() && component != "VCALENDAR" {
                    return Err(fault(line, format!("Here is `{component}`, not `BEGIN:VCALENDAR`.")));
                }
                if component == "VEVENT" {
                    events.push(Event { line, properties: Vec::new() });
                }
                open.push((component, line));
            }
            "END" => match open.pop() {
                Some((begun, _)) if begun == component => {}
                Some((begun, at)) => {
                    return Err(fault(line, format!("`{begun}` of line {at} is open, not `{component}`.")));
                }
                None => return Err(fault(line, format!("`{component}` was not begun."))),
            },
            _ => match (open.last(), events.last_mut()) {
                (None, _) => return Err(fault(line, "An iCalendar begins with `BEGIN:VCALENDAR`.".to_owned())),
                (Some((component, _)), Some(event)) if component == "VEVENT" => event.properties.push(property),
                _ => {}
            },
        }
    }
    match open.pop() {
        Some((component, at)) => Err(fault(last, format!("`{component}` of line {at} has no end."))),
        None if text.trim().is_empty() => Err(fault(1, "It is empty.".to_owned())),
        None => Ok(events),
    }
}

fn fault(line: usize, detail: String) -> Fault {
    Fault { line, detail }
}

/// The content lines with the numbers of their first lines: what begins with a space goes on with the line before.
fn unfold(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, before))) => before.push_str(rest),
            _ if line.trim().is_empty() => {}
            _ => lines.push((number, line.to_owned())),
        }
    }
    lines
}

fn property(line: usize, text: &str) -> Result<Property, Fault> {
    let wrong = || fault(line, "It is no content line: `NAME:value`.".to_owned());
    let end = text.find([';', ':']).ok_or_else(wrong)?;
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let (name, mut rest) = text.split_at(end);
    if !is_name(name) {
        return Err(wrong());
    }
    let mut parameters = Vec::new();
    while let Some(parameter) = rest.strip_prefix(';') {
        let (name, after) = parameter.split_once('=').filter(|(name, _)| is_name(name)).ok_or_else(wrong)?;
        let mut quoted = false;
        let end = after.find(|c| {
            quoted ^= c == '"';
            !quoted && (c == ';' || c == ':')
        });
        let (value, next) = after.split_at(end.ok_or_else(wrong)?);
        parameters.push((name.to_ascii_uppercase(), value.trim_matches('"').to_owned()));
        rest = next;
    }
    let value = rest.strip_prefix(':').ok_or_else(wrong)?.trim_end().to_owned();
    Ok(Property { line, name: name.to_ascii_uppercase(), parameters, value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inside(lines: &str) -> String {
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
    }

    #[test]
    fn lines_are_unfolded_and_taken_apart() {
        let text =
            inside("SUMMARY;LANGUAGE=en;X-A=\"a:b;c\":New\r\n  Year\\, the\r\n\t\\nfirst\r\n\r\ndtstart:20260101");
        let events = events(&text).unwrap();
        let summary = events[0].get("SUMMARY").unwrap();
        assert_eq!((summary.line, summary.text().as_str()), (4, "New Year, the\nfirst"));
        assert_eq!(summary.parameters, [("LANGUAGE".into(), "en".into()), ("X-A".into(), "a:b;c".into())]);
        let start = events[0].get("DTSTART").unwrap();
        assert_eq!((events[0].line, start.line, start.value.as_str()), (3, 8, "20260101"));
    }

    #[test]
    fn what_is_nested_or_stands_beside_events_is_passed_over() {
        let text = "BEGIN:VCALENDAR\nX-WR-CALNAME:Days\nBEGIN:VTIMEZONE\nBEGIN:STANDARD\nDTSTART:19701025T030000\nEND:STANDARD\n\
                    END:VTIMEZONE\nBEGIN:VEVENT\nBEGIN:VALARM\nSUMMARY:Ring\nEND:VALARM\nSUMMARY:Day\nEND:VEVENT\nEND:VCALENDAR";
        let events = events(text).unwrap();
        let summaries: Vec<String> = events.iter().flat_map(|e| e.all("SUMMARY")).map(Property::text).collect();
        assert_eq!(summaries, ["Day"]);
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for (text, line, said) in [
            ("", 1, "empty"),
            ("hello", 1, "no content line"),
            ("SUMMARY:x", 1, "begins with `BEGIN:VCALENDAR`"),
            ("BEGIN:VEVENT", 1, "not `BEGIN:VCALENDAR`"),
            ("BEGIN:VCALENDAR\nEND:VEVENT", 2, "`VCALENDAR` of line 1 is open"),
            ("BEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR", 3, "was not begun"),
            ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:x", 3, "`VEVENT` of line 2 has no end"),
            (&inside("DTSTART;VALUE=DATE"), 4, "no content line"),
            (&inside("DTSTART;VALUE:20260101"), 4, "no content line"),
            (&inside("SUM MARY:x"), 4, "no content line"),
            (&inside("X;A=\"b:c"), 4, "no content line"),
        ] {
            let fault = events(text).unwrap_err();
            assert_eq!(fault.line, line, "{text}: {fault:?}");
            assert!(fault.detail.contains(said), "{text}: {fault:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "((BEGIN|END|DTSTART|A)[:;= ]?(VCALENDAR|VEVENT|\"|\\PC{0,3})[\n\r ]{0,3}){0,12}") {
            let _ = events(&text);
        }

        #[test]
        fn what_is_folded_anywhere_reads_the_same(summary in "[a-zäß,:;\" ]{1,40}", fold in 0..40_usize) {
            let plain = format!("SUMMARY:{}x", summary.trim_start());
            let at = (0..=fold.min(plain.len())).rev().find(|at| plain.is_char_boundary(*at)).unwrap();
            let folded = format!("{}\r\n {}", &plain[..at], &plain[at..]);
            let read = |line: &str| events(&inside(line)).map(|e| e[0].get("SUMMARY").map(Property::text));
            // A line may not begin with its fold.
            prop_assume!(at > 0);
            prop_assert_eq!(read(&folded), read(&plain));
        }
    }
}
