//! What somebody says in a message: without what it quotes, and without their signature.

use std::sync::LazyLock;

use regex::Regex;

/// Lines over which the sentence before a quotation may be broken.
const BROKEN_OVER: usize = 3;
/// Lines within which the head of a quoted message has all that makes it one.
const HEAD: usize = 8;

/// What is a regular expression here is known to be one.
fn known(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

/// How the sentence before a quotation reads: `On Tuesday, Ada wrote:`.
static BEFORE_QUOTE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    known(
        r"(?ix)^\s*(
            on\s.{4,300}\swrote: | am\s.{4,300}\sschrieb\b.{0,200}: | le\s.{4,300}\sa\s+écrit\s*: |
            el\s.{4,300}\sescribió: | il\s.{4,300}\sha\s+scritto: | .{1,200}\sschrieb\sam\s.{4,100}: |
            \d{4}-\d{2}-\d{2}.{4,200}<[^>]+@[^>]+>\s*:
        )\s*$",
    )
});
/// Lines behind which another message begins.
static DIVIDER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    known(
        r"(?ix)^\s*(
            -{2,}\s*(original\s+message|ursprüngliche\s+nachricht|originalnachricht|forwarded\s+message|
            weitergeleitete\s+nachricht|message\s+d['’]origine)\s*-{2,} |
            _{20,}
        )\s*$",
    )
});
/// A line of the head of a quoted message.
static OF_HEAD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    known(r"(?i)^\s*\*?(from|von|sent|gesendet|date|datum|to|an|cc|subject|betreff|de|envoyé|à|objet)\s?:\*?\s*\S")
});
/// The first of them.
static HEAD_BEGINS: LazyLock<Option<Regex>> = LazyLock::new(|| known(r"(?i)^\s*\*?(from|von|de)\s?:\*?\s*\S"));

fn fits(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    LazyLock::force(pattern).as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// What is said in a text. Where nothing is left of it, all of it was.
pub fn of(text: &str) -> String {
    let text = plain(text);
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if is_signature(line) || fits(&DIVIDER, line) || begins_head(&lines[at..]) {
            break;
        }
        if let Some(broken) = quotes(&lines[at..]) {
            // Answers may stand between what is quoted line by line; what is quoted as a whole is the end.
            match lines[at + broken..].iter().find(|line| !line.trim().is_empty()) {
                Some(next) if is_quote(next) => {
                    at += broken;
                    continue;
                }
                _ => break,
            }
        }
        if !is_quote(line) {
            kept.push(line);
        }
        at += 1;
    }
    let said = tidy(&kept);
    if said.is_empty() { tidy(&lines) } else { said }
}

/// The same of HTML: what stands in it before another message.
pub fn of_html(html: &str) -> String {
    let before = &html[..quotation(html).unwrap_or(html.len())];
    let said = of(&mail_parser::decoders::html::html_to_text(before));
    if said.is_empty() { of(&mail_parser::decoders::html::html_to_text(html)) } else { said }
}

/// Where the programs that people write with begin what they quote.
fn quotation(html: &str) -> Option<usize> {
    const MARKS: [&str; 7] = [
        "<div class=\"gmail_quote",
        "<blockquote",
        "<div id=\"appendonsend\"",
        "<div id=\"divrplyfwdmsg\"",
        "<div class=\"moz-cite-prefix\"",
        "<div id=\"mail-editor-reference-message-container\"",
        "<div id=\"protonmail_quote\"",
    ];
    // Only ASCII changes, so that places are those of the original.
    let small = html.to_ascii_lowercase();
    MARKS.iter().filter_map(|mark| small.find(mark)).min()
}

fn is_quote(line: &str) -> bool {
    line.trim_start().starts_with('>')
}

/// The line before a signature (RFC 3676, 4.3), with or without the space that many programs lose.
fn is_signature(line: &str) -> bool {
    line == "-- " || line == "--"
}

/// Over how many lines the sentence goes that stands before a quotation, where these lines begin with one.
fn quotes(lines: &[&str]) -> Option<usize> {
    (1..=BROKEN_OVER.min(lines.len())).find(|count| {
        let sentence = lines[..*count].iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        fits(&BEFORE_QUOTE, &sentence)
    })
}

/// Whether these lines begin with the head of a quoted message, as Outlook writes it.
fn begins_head(lines: &[&str]) -> bool {
    lines.first().is_some_and(|line| fits(&HEAD_BEGINS, line))
        && lines.iter().take(HEAD).filter(|line| fits(&OF_HEAD, line)).count() >= 3
}

/// Text without what no text holds.
pub fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// Lines as a text, without spaces at their ends and with one empty line at most between two.
fn tidy(lines: &[&str]) -> String {
    let mut text = String::new();
    let mut empty = 0;
    for line in lines.iter().map(|line| line.trim_end()) {
        if line.is_empty() {
            empty += 1;
            continue;
        }
        if !text.is_empty() {
            text.push_str(if empty > 0 { "\n\n" } else { "\n" });
        }
        empty = 0;
        text.push_str(line);
    }
    text
}
