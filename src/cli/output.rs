//! What commands print: text for people, JSON for machines, and a bar while they work.

use std::{fmt::Display, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error::{Error, Result};

/// Prints a result, as JSON or as text.
pub fn print<T: Serialize + Display>(result: &T, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(result).map_err(Error::internal)?);
    } else {
        println!("{result}");
    }
    Ok(())
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
