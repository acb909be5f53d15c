//! Where values come from, and how their errors read.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    error::Kind,
    providers::{Format, Toml},
    util::nest,
    value::{Dict, Map, Value},
};

use super::{Config, ConfigError};
use crate::error::did_you_mean;

const DEFAULT_FILE: &str = "pointsman.toml";
const PREFIX: &str = "POINTSMAN__";
const FILE_SUFFIX: &str = "_FILE";

/// What the command line can set.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// The configuration file; `pointsman.toml` is read when it is there
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sets one value, as in `--set server.listen=0.0.0.0:80`; may be repeated
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

impl Config {
    /// As [`Config::load`], with the environment handed in.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(super) fn load_from(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, OsString)>,
    ) -> Result<Config, ConfigError> {
        let environment = from_environment(environment)?;
        let mut figment = match &flags.config {
            Some(path) if !path.is_file() => {
                return Err(ConfigError(format!("there is no file `{}`", path.display())));
            }
            Some(path) => Figment::from(Toml::file_exact(path)),
            None if Path::new(DEFAULT_FILE).is_file() => Figment::from(Toml::file_exact(DEFAULT_FILE)),
            None => Figment::new(),
        };
        for pair in
            environment.into_iter().chain(flags.set.iter().map(|s| from_flag(s)).collect::<Result<Vec<_>, _>>()?)
        {
            figment = figment.merge(pair);
        }
        figment.extract::<Config>().map_err(|e| ConfigError(explain(&e)))?.validate()
    }
}

/// One value and where it came from.
struct Pair {
    source: String,
    key: String,
    from_file: bool,
    value: Value,
}

impl Provider for Pair {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }
    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let dict = nest(&self.key, self.value.clone()).into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// `DATABASE_URL` is last, since it wins over `POINTSMAN__DATABASE__URL`.
fn from_environment(variables: impl IntoIterator<Item = (String, OsString)>) -> Result<Vec<Pair>, ConfigError> {
    let mut pairs = Vec::new();
    let mut last = Vec::new();
    for (name, text) in variables {
        if let Some(path) = name.strip_prefix(PREFIX) {
            pairs.push(pair(&name, &path.to_ascii_lowercase().replace("__", "."), &text)?);
        } else if name == "DATABASE_URL" || name == "DATABASE_URL_FILE" {
            last.push(pair(&name, &name.to_ascii_lowercase().replacen('_', ".", 1), &text)?);
        }
    }
    // A stable order, and within it the file before the plain value, which wins.
    pairs.sort_by(|a, b| (&a.key, !a.from_file).cmp(&(&b.key, !b.from_file)));
    last.sort_by_key(|p: &Pair| !p.from_file);
    pairs.extend(last);
    Ok(pairs)
}

fn pair(name: &str, key: &str, text: &OsString) -> Result<Pair, ConfigError> {
    let source = format!("environment variable `{name}`");
    let text = text.to_str().ok_or_else(|| ConfigError(format!("{source} is not UTF-8")))?;
    if name.ends_with(FILE_SUFFIX) {
        let held = fs::read_to_string(text).map_err(|e| ConfigError(format!("{source} names `{text}`: {e}")))?;
        let key = key[..key.len() - FILE_SUFFIX.len()].to_owned();
        return Ok(Pair { source, key, from_file: true, value: Value::from(held.trim_end_matches(['\r', '\n'])) });
    }
    Ok(Pair { source, key: key.to_owned(), from_file: false, value: typed(key, text) })
}

fn from_flag(text: &str) -> Result<Pair, ConfigError> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| ConfigError(format!("`--set {text}` needs the form SECTION.KEY=VALUE")))?;
    Ok(Pair { source: format!("flag `--set {key}`"), key: key.to_owned(), from_file: false, value: typed(key, value) })
}

/// Numbers, booleans and lists are read as TOML reads them, but what is text by its meaning stays text, so that a password
/// of digits is one.
fn typed(key: &str, text: &str) -> Value {
    const TEXT: &[&str] = &[
        "server.listen",
        "server.base_url",
        "server.metrics_token",
        "database.url",
        "auth.issuer",
        "auth.audience",
        "attachments.directory",
        "log.filter",
        "mail.certificate_authority",
        "mail.host",
        "mail.user",
        "mail.password",
        "mail.from_address",
        "mail.from_name",
        "mail.reply_to",
        "mail.default_language",
        "mail.record_url",
    ];
    if TEXT.contains(&key) {
        return Value::from(text);
    }
    text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {})
}

/// The first fault as a sentence: source, key, what is wrong and what was meant.
fn explain(error: &Error) -> String {
    let source = error.metadata.as_ref().map_or_else(String::new, |m| match &m.source {
        Some(file) => format!("{file}: "),
        None => format!("{}: ", m.name),
    });
    let at = error.path.join(".");
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds read well as they are")]
    let what = match &error.kind {
        Kind::UnknownField(name, known) => {
            let parents = error.path.iter().filter(|p| *p != name).map(|p| format!("{p}.")).collect::<String>();
            return format!("{source}unknown key `{parents}{name}`{}", did_you_mean(name, known.iter().copied()));
        }
        kind => kind.to_string(),
    };
    format!("{source}{at}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str, env: &[(&str, &str)], set: &[&str]) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("c.toml");
        fs::write(&file, toml).unwrap();
        let flags = Flags { config: Some(file), set: set.iter().map(|&s| s.to_owned()).collect() };
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v)));
        Config::load_from(&flags, env).map_err(|e| e.to_string())
    }

    #[test]
    fn later_sources_win() {
        let toml = "[database]\nurl = 'file.db'\nreaders = 3\nwriters = 3\nbatch_size = 3";
        let env = [
            ("POINTSMAN__DATABASE__URL", "env.db"),
            ("POINTSMAN__DATABASE__WRITERS", "4"),
            ("POINTSMAN__DATABASE__BATCH_SIZE", "4"),
            ("POINTSMAN__SERVER__CORS_ORIGINS", "[\"https://a.example\"]"),
            ("DATABASE_URL", "plain.db"),
            ("OTHER", "ignored"),
        ];
        let config = load(toml, &env, &["database.batch_size=5"]).unwrap();
        assert_eq!(config.database.url.expose(), "plain.db");
        assert_eq!((config.database.readers, config.database.writers, config.database.batch_size), (3, 4, 5));
        assert_eq!(config.server.cors_origins, ["https://a.example"]);
        assert_eq!(config.server.listen.port(), 8080);
        let config = load("", &env, &["database.url=flag.db"]).unwrap();
        assert_eq!(config.database.url.expose(), "flag.db");
    }

    #[test]
    fn a_secret_can_stand_in_a_file_and_is_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "12345\n").unwrap();
        let path = path.to_str().unwrap();
        let env = [
            ("POINTSMAN__SERVER__METRICS_TOKEN_FILE", path),
            ("DATABASE_URL", "postgres://u:hunter2@h/d?password=hunter2"),
        ];
        let config = load("", &env, &[]).unwrap();
        assert_eq!(config.server.metrics_token.as_ref().unwrap().expose(), "12345");
        let shown = format!("{}{config:?}", config.print().unwrap());
        assert!(!shown.contains("12345") && !shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("postgres://***"), "{shown}");

        let config = load("", &[("DATABASE_URL_FILE", path)], &[]).unwrap();
        assert_eq!(config.database.url.expose(), "12345");
        let both = [("DATABASE_URL_FILE", path), ("DATABASE_URL", "plain.db")];
        assert_eq!(load("", &both, &[]).unwrap().database.url.expose(), "plain.db");
        assert!(load("", &[("DATABASE_URL_FILE", "/nowhere")], &[]).unwrap_err().contains("/nowhere"));
    }

    #[test]
    fn what_is_printed_can_be_read_back() {
        let printed = Config::default().print().unwrap();
        assert_eq!(load(&printed, &[], &[]).unwrap().print().unwrap(), printed);
    }

    #[test]
    fn faults_name_source_key_and_the_nearest_known() {
        type Texts = &'static [&'static str];
        type Case = (&'static str, &'static [(&'static str, &'static str)], Texts, Texts);
        let cases: &[Case] = &[
            ("[servr]\nlisten = '1'", &[], &[], &["c.toml", "unknown key `servr`", "did you mean `server`?"]),
            ("[server]\nlisten_on = '1'", &[], &[], &["unknown key `server.listen_on`"]),
            ("[server]\nworker = 1", &[], &[], &["unknown key `server.worker`", "did you mean `workers`?"]),
            (
                "",
                &[("POINTSMAN__LOG__FILTR", "x")],
                &[],
                &["POINTSMAN__LOG__FILTR", "`log.filtr`", "did you mean `filter`?"],
            ),
            (
                "",
                &[("POINTSMAN__DATABASE__READERS", "many")],
                &[],
                &["POINTSMAN__DATABASE__READERS", "database.readers"],
            ),
            ("", &[], &["log.format=xml"], &["--set log.format", "xml"]),
            ("", &[], &["log.format"], &["SECTION.KEY=VALUE"]),
            ("", &[], &["server.shutdown_timeout_seconds=30"], &["shutdown_timeout_seconds", "ten seconds"]),
            ("", &[], &["server.cors_origins=[\"https://a.example/\"]"], &["server.cors_origins", "without a path"]),
            ("[webhooks]\nallowed_networks = ['10.0.0.0/40']", &[], &[], &["webhooks.allowed_networks"]),
            ("", &[], &["webhooks.timeout_seconds=60"], &["webhooks.timeout_seconds", "from 1 to 30"]),
            ("", &[], &["mail.enabled=true"], &["mail.host"]),
            ("[mail]\nenabled = true\nhost = 'h'", &[], &[], &["mail.from_address"]),
            ("", &[], &["mail.user=me"], &["mail.password", "both or neither"]),
            ("", &[], &["mail.tls=ssl"], &["mail.tls", "ssl"]),
            ("", &[], &["server.base_url=itsm.example"], &["server.base_url", "https://"]),
            ("not toml", &[], &[], &["c.toml"]),
        ];
        for (toml, env, set, expected) in cases {
            let message = load(toml, env, set).unwrap_err();
            for part in *expected {
                assert!(message.contains(part), "{message:?} lacks {part:?}");
            }
        }
        let flags = Flags { config: Some("/nowhere.toml".into()), set: Vec::new() };
        assert!(Config::load_from(&flags, []).unwrap_err().to_string().contains("/nowhere.toml"));
    }
}
