//! Commands beside a server: what they print, and what they leave behind.

use std::io::Read;

use diesel::prelude::*;
use pointsman::{db::Database, schema::audit};
use serde_json::Value;

use crate::support::process::{command, prepared};

#[test]
fn who_stops_reading_is_no_trouble() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/rules");
    for task in [&["openapi"][..], &["config", "print"], &["policy", "check", rules, "--json"]] {
        let mut child = command("unused.db").args(task).spawn().unwrap();
        // As `head` does: gone before all is read.
        drop(child.stdout.take());
        let mut error = String::new();
        child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        let code = child.wait().unwrap().code();
        assert_eq!((code, error.as_str()), (Some(0), ""), "{task:?}");
    }
}

const LOG: &str = "priority,number,incident_state,reassignment_count,reopen_count,sys_mod_count,caller_id,opened_by,opened_at,\
    sys_updated_by,sys_updated_at,contact_type,location,category,subcategory,u_symptom,cmdb_ci,impact,urgency,\
    assignment_group,assigned_to,problem_id,closed_code\n";

#[test]
fn a_table_that_is_learnt_is_written_as_through_the_api() {
    let (database, _) = prepared();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.csv");
    let line = |n: usize| {
        format!(
            "3 - P,INC{n},New,0,0,0,Caller 7,Opener 1,29/2/2016 10:0{n},Agent 1,29/2/2016 10:0{n},Phone,?,Mail,Phone,Slow,ci 1,\
             2 - I,2 - U,network,?,?,code 6\n"
        )
    };
    std::fs::write(&file, format!("{LOG}{}", (0..8).map(line).collect::<String>())).unwrap();
    let learn = |name: &str, key: &str, code: i32| {
        let mut command = command(&database.url());
        command.args(["policy", "learn-table", "--json", "--key", key, "--save", name]).arg(&file);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        (serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default(), text)
    };
    for version in 1..=2 {
        let (said, _) = learn("learnt_teams", "category", 0);
        assert_eq!(said["saved"], format!("learnt_teams version {version}"));
    }
    assert!(learn("Learnt", "category", 1).1.contains("lower-case"));
    // The policy that is live looks it up by the category alone.
    let refused = learn("category_teams", "subcategory", 1).1;
    assert!(refused.contains("routing_incidents"), "{refused}");

    let told = Database::open(&database.url(), 1).unwrap().read_here(|c| {
        let of_tables = audit::table.filter(audit::subject_kind.eq("lookup_table")).order(audit::subject_version);
        Ok(of_tables.select((audit::action, audit::subject_version, audit::via)).load::<(String, i32, String)>(c)?)
    });
    let row = |action: &str, version| (format!("lookup_table.{action}"), version, "import".to_owned());
    assert_eq!(told.unwrap(), [row("created", 1), row("updated", 2)]);
}
