//! What commands print: text for people, JSON for machines, and a bar while they work.

use std::{
    fmt::Display,
    io::{ErrorKind, Write, stdout},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error::{Error, Result};

/// Prints a result, as JSON or as text.
pub fn print<T: Serialize + Display>(result: &T, json: bool) -> Result<()> {
    if json {
        say(&serde_json::to_string_pretty(result).map_err(Error::internal)?)
    } else {
        say(&printable(&result.to_string()))
    }
}

/// Prints a line, or several. That whoever read it has gone, as `head` does, is no trouble.
///
/// # Errors
/// It can't be written, such as to a disk that is full.
pub fn say(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::internal(format!("can't print: {e}"))),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A bar on standard error; it shows nothing where that is no terminal. Without a total it only counts.
pub fn progress(total: Option<u64>, what: &str) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg} {bar:32} {human_pos}/{human_len} {per_sec} {eta}",
        None => "{msg} {spinner} {human_pos} {per_sec}",
    };
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// What somebody else says, without what would do something to a terminal.
pub fn printable(text: &str) -> String {
    let plain =
        |c: char| if c.is_control() && c != '\n' && c != '\t' { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_terminal_is_only_written_on() {
        assert_eq!(printable("a\tb\nc \u{1b}[2Jd\u{7}\r\u{9b}"), "a\tb\nc \\u{1b}[2Jd\\u{7}\\r\\u{9b}");
    }
}
