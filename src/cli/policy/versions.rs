//! Policies: files that become versions, which wait to be published.

use std::collections::BTreeSet;

use indicatif::ProgressBar;
use serde::Deserialize;
use serde_json::json;

use super::{
    folder::{Entry, Folder},
    sort::{Change, Follow, Head, Kept, Sort, Stored, parse},
};
use crate::{
    cli::remote::{Ask, Heard, Remote},
    error::{Code, Error, Result},
    policy::{
        build::Uses,
        decision::{DECISIONS, Decision},
        diagnostic::Diagnostic,
        format::format,
        library::{is_name, purpose},
        program::kind_of,
        store::sha256,
    },
};

/// Policies.
pub struct Versions;

/// A policy, as far as it concerns a folder.
#[derive(Clone, Debug, Deserialize)]
struct Policy {
    name: String,
    decision: String,
    kind: String,
    description: String,
    position: i32,
    enabled: bool,
    active_version: Option<i32>,
    version: i32,
}

/// What a server says of policies that went live together.
#[derive(Debug, Deserialize)]
struct Published {
    policies: Vec<Policy>,
}

#[derive(Clone, Debug, Deserialize)]
struct Version {
    number: i32,
    sha256: String,
    published_at: Option<String>,
}

/// What a version is pinned to.
#[derive(Deserialize)]
struct Pinned {
    uses: Uses,
}

#[derive(Deserialize)]
struct InFull {
    #[serde(flatten)]
    version: Version,
    source: String,
    diagnostics: Vec<Diagnostic>,
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Checked {
    diagnostics: Vec<Diagnostic>,
}

/// A version that is to go live.
pub struct Publication<'a> {
    /// What the server calls the policy.
    pub name: &'a str,
    /// The number of the version.
    pub version: i32,
    /// The policy as it was seen.
    pub revision: i32,
}

impl Sort for Versions {
    fn folders(&self) -> Vec<&'static str> {
        DECISIONS.iter().map(|decision| decision.name).collect()
    }

    fn extension(&self) -> &'static str {
        "rhai"
    }

    fn is_live_at_once(&self) -> bool {
        false
    }

    fn sha256(&self, text: &str) -> String {
        sha256(text)
    }

    fn laid_out(&self, text: &str) -> Result<String, Diagnostic> {
        format(text)
    }

    fn stored(&self, remote: &Remote, folder: &Folder, follow: Follow, bar: &ProgressBar) -> Result<Vec<Stored>> {
        let mut policies: List<Policy> = remote.ask(&Ask::get("policies"))?.read()?;
        policies.items.iter().try_for_each(check)?;
        policies.items.sort_by(|a, b| a.name.cmp(&b.name));
        bar.inc_length(policies.items.len() as u64);
        let paths: Vec<String> = policies.items.iter().map(|one| format!("policies/{}/versions", one.name)).collect();
        let versions = remote.gather(paths, || bar.inc(1))?;
        let places = places(&policies.items, folder);
        let all = policies.items.into_iter().zip(versions).zip(places);
        all.map(|((policy, versions), path)| {
            let versions: List<Version> = versions.read()?;
            Ok(stored(policy, &versions.items, path, folder, follow))
        })
        .collect()
    }

    fn address(&self, stored: &Stored) -> String {
        let head = stored.head.as_ref().or(stored.newest.as_ref());
        format!("policies/{}/versions/{}", stored.name, head.map_or(0, |head| head.version))
    }

    fn read(&self, stored: &Stored, shown: Heard) -> Result<String> {
        let shown: InFull = shown.read()?;
        let head = stored.head.as_ref().or(stored.newest.as_ref());
        if head.is_some_and(|head| head.sha256 == sha256(&shown.source)) {
            return Ok(shown.source);
        }
        let detail = format!("The server shows another source for {} than its SHA-256 says.", stored.path);
        Err(Error::new(Code::Conflict, detail))
    }

    fn check(&self, remote: &Remote, change: &Change<'_>) -> Result<Vec<Diagnostic>> {
        let new = Wanted::of(change)?;
        let body = json!({"decision": new.decision, "kind": new.kind, "source": change.file.text});
        let checked: Checked = remote.ask(&Ask::question("policies/validate", body))?.read()?;
        Ok(checked.diagnostics)
    }

    fn store(&self, remote: &Remote, change: &Change<'_>) -> Result<Kept> {
        let (settings, name, revision) = match change.stored {
            Some(stored) => (stored.settings.clone(), stored.name.clone(), stored.revision),
            None => {
                let policy = Wanted::of(change)?.make(remote)?;
                (settings(&policy), policy.name, policy.version)
            }
        };
        // The same text on top of the same version with the same words is the same version, whoever breaks off in between.
        let before = change.stored.and_then(|stored| stored.newest.as_ref()).map_or(0, |newest| newest.version);
        let key = key(&[&name, &before.to_string(), change.message, &change.file.sha256]);
        // What keeps its tables as they are goes on to keep them.
        let newest = change.stored.and_then(|stored| stored.newest.as_ref());
        let keeps = match newest {
            Some(newest) => {
                let path = format!("policies/{name}/versions/{}", newest.version);
                !remote.ask(&Ask::get(path))?.read::<Pinned>()?.uses.tables.is_empty()
            }
            None => false,
        };
        let body = json!({"source": change.file.text, "message": change.message, "keep_tables": keeps});
        let written: InFull = remote.ask(&Ask::post(format!("policies/{name}/versions"), body, &key))?.read()?;
        let (version, sha256) = (Some(written.version.number), Some(written.version.sha256));
        let entry = Entry { version, sha256, waits: true, ..settings };
        Ok(Kept { entry, revision, diagnostics: written.diagnostics })
    }
}

/// A policy that is not there yet.
struct Wanted<'a> {
    name: String,
    decision: &'a str,
    kind: &'a str,
    description: String,
    entry: Entry,
}

impl<'a> Wanted<'a> {
    fn of(change: &Change<'a>) -> Result<Self> {
        let named = parse(change.path).and_then(|(_, folder, name)| Some((Decision::named(folder)?, folder, name)));
        let wrong = || Error::invalid("", "wrong_form", format!("{} is no policy.", change.path));
        let (decision, folder, name) = named.ok_or_else(wrong)?;
        let known = change.stored.map(|stored| &stored.settings).or(change.entry);
        let entry = change.entry.cloned().unwrap_or_default();
        Ok(Wanted {
            name: entry.name.clone().unwrap_or_else(|| format!("{folder}_{name}")),
            decision: folder,
            kind: known.and_then(|known| known.kind.as_deref()).unwrap_or_else(|| kind_of(&change.file.text, decision)),
            description: entry.description.clone().unwrap_or_else(|| purpose(&change.file.text)),
            entry,
        })
    }

    fn make(&self, remote: &Remote) -> Result<Policy> {
        let mut body = json!({
            "name": self.name, "decision": self.decision, "kind": self.kind, "description": self.description,
            "enabled": self.entry.enabled.unwrap_or(true),
        });
        if let Some(position) = self.entry.position {
            body["position"] = position.into();
        }
        remote.ask(&Ask::post("policies", body, &key(&[&self.name])))?.read()
    }
}

/// Makes versions live, all of them or none; gives for each what stands of its policy in the manifest, but for the version.
///
/// # Errors
/// What keeps them from that, with the place among them.
pub fn publish(remote: &Remote, waiting: &[Publication<'_>], key: &str, message: &str) -> Result<Vec<Entry>> {
    let version = |one: &Publication<'_>| json!({"policy": one.name, "number": one.version, "seen": one.revision});
    let asked = json!({"versions": waiting.iter().map(version).collect::<Vec<_>>()});
    let live: Published = remote.ask(&Ask::post("policy-publications", asked, key).because(message))?.read()?;
    Ok(live.policies.iter().map(settings).collect())
}

/// An idempotency key that follows from what is asked.
fn key(parts: &[&str]) -> String {
    sha256(&parts.iter().map(|part| format!("{} {part}", part.len())).collect::<String>())
}

/// Refuses what can't lie in a folder.
fn check(policy: &Policy) -> Result<()> {
    if is_name(&policy.name) && Decision::named(&policy.decision).is_some() {
        return Ok(());
    }
    let detail = format!(
        "The server has a policy {:?} for the decision {:?}, which can't be a file here.",
        policy.name, policy.decision
    );
    Err(Error::invalid("", "wrong_form", detail))
}

fn settings(policy: &Policy) -> Entry {
    Entry {
        name: Some(policy.name.clone()),
        kind: Some(policy.kind.clone()),
        description: Some(policy.description.clone()),
        position: Some(policy.position),
        enabled: Some(policy.enabled),
        ..Entry::default()
    }
}

/// Where each policy lies: where the manifest says, else under its name without the decision, where that place is free.
fn places(policies: &[Policy], folder: &Folder) -> Vec<String> {
    let known = |policy: &Policy| {
        let mut entries = folder.manifest.files.iter();
        let found = entries.find(|(path, entry)| {
            entry.name.as_deref() == Some(&policy.name) && path.starts_with(&format!("{}/", policy.decision))
        });
        found.map(|(path, _)| path.clone())
    };
    let mut taken: BTreeSet<String> = policies.iter().filter_map(known).collect();
    let place = |policy: &Policy| {
        known(policy).unwrap_or_else(|| {
            let prefix = format!("{}_", policy.decision);
            let short =
                policy.name.strip_prefix(&prefix).filter(|rest| is_name(rest)).unwrap_or(&policy.name).to_owned();
            let names = std::iter::successors(Some(short), |name| Some(format!("{prefix}{name}")));
            let mut paths = names.map(|name| format!("{}/{name}.rhai", policy.decision));
            paths.find(|path| taken.insert(path.clone())).unwrap_or_default()
        })
    };
    policies.iter().map(place).collect()
}

fn stored(policy: Policy, versions: &[Version], path: String, folder: &Folder, follow: Follow) -> Stored {
    let head = |version: &Version| Head {
        version: version.number,
        sha256: version.sha256.clone(),
        published: version.published_at.is_some(),
    };
    let newest = versions.iter().max_by_key(|version| version.number);
    let live = versions.iter().find(|version| Some(version.number) == policy.active_version);
    // A draft that the folder holds, and after which nothing went live.
    let held = versions.iter().filter(|version| {
        let is_here = folder.entry(&path).and_then(|entry| entry.version) == Some(version.number)
            || folder.files.get(&path).is_some_and(|file| file.sha256 == version.sha256);
        is_here && version.published_at.is_none() && Some(version.number) > policy.active_version
    });
    let followed = match follow {
        Follow { drafts: true, .. } => newest,
        Follow { strictly: true, .. } => live,
        Follow { .. } => held.max_by_key(|version| version.number).or(live),
    };
    Stored {
        head: followed.map(head),
        newest: newest.map(head),
        settings: settings(&policy),
        revision: policy.version,
        name: policy.name,
        path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, decision: &str) -> Policy {
        Policy {
            name: name.to_owned(),
            decision: decision.to_owned(),
            kind: "incident".to_owned(),
            description: String::new(),
            position: 1,
            enabled: true,
            active_version: Some(1),
            version: 1,
        }
    }

    fn folder() -> Folder {
        Folder::open_or_new(std::path::Path::new("nowhere")).unwrap()
    }

    #[test]
    fn each_policy_has_a_place_of_its_own() {
        let policies: Vec<Policy> =
            ["a", "guard_a", "guard_guard_a", "guard_guard_guard_a", "b", "guard_1"].map(|n| policy(n, "guard")).into();
        let places = places(&policies, &folder());
        assert_eq!(
            places,
            [
                "guard/a.rhai",
                "guard/guard_a.rhai",
                "guard/guard_guard_a.rhai",
                "guard/guard_guard_guard_a.rhai",
                "guard/b.rhai",
                "guard/guard_1.rhai",
            ]
        );
    }

    #[test]
    fn a_place_that_the_manifest_knows_stays() {
        let mut folder = folder();
        let named = |name: &str| Entry { name: Some(name.to_owned()), ..Entry::default() };
        folder.manifest.files.insert("guard/x.rhai".to_owned(), named("guard_a"));
        // Another decision: the manifest lies.
        folder.manifest.files.insert("routing/y.rhai".to_owned(), named("guard_b"));
        let places =
            places(&[policy("guard_a", "guard"), policy("guard_b", "guard"), policy("guard_x", "guard")], &folder);
        assert_eq!(places, ["guard/x.rhai", "guard/b.rhai", "guard/guard_x.rhai"]);
    }

    #[test]
    fn what_cannot_be_a_file_is_refused() {
        for (name, decision) in [("../x", "guard"), ("x", "../guard"), ("x", "tables"), ("X", "guard"), ("", "guard")] {
            assert!(check(&policy(name, decision)).is_err(), "{name} {decision}");
        }
        assert!(check(&policy("x", "guard")).is_ok());
    }

    #[test]
    fn the_live_version_is_followed_unless_the_folder_holds_a_newer_draft() {
        let version = |number: i32, published: bool| Version {
            number,
            sha256: format!("sha{number}"),
            published_at: published.then(|| "2026-03-03T10:00:00Z".to_owned()),
        };
        let versions = [version(4, false), version(3, true), version(2, false), version(1, true)];
        let live = Policy { active_version: Some(1), ..policy("guard_a", "guard") };
        let none = Policy { active_version: None, ..live.clone() };
        let (plain, strict, drafts) = ((false, false), (false, true), (true, false));
        for (policy, holds, (drafts, strictly), expected) in [
            (&live, None, plain, Some(1)),
            (&live, None, drafts, Some(4)),
            (&live, Some(2), plain, Some(2)),
            (&live, Some(2), strict, Some(1)),
            (&live, Some(3), plain, Some(1)),
            (&live, Some(4), plain, Some(4)),
            (&none, None, plain, None),
            (&none, Some(4), plain, Some(4)),
            (&Policy { active_version: Some(3), ..live.clone() }, Some(2), plain, Some(3)),
        ] {
            let mut folder = folder();
            let entry = Entry { version: holds, ..Entry::default() };
            folder.manifest.files.insert("guard/a.rhai".to_owned(), entry);
            let follow = Follow { drafts, strictly };
            let stored = stored(policy.clone(), &versions, "guard/a.rhai".to_owned(), &folder, follow);
            assert_eq!(
                stored.head.map(|head| head.version),
                expected,
                "{holds:?} {follow:?} {:?}",
                policy.active_version
            );
            assert_eq!(stored.newest.map(|head| head.version), Some(4));
        }
    }
}
