//! What the fuzzer kept, once more, on either database: the corpus of each target in `fuzz/`.

use std::path::Path;

use crate::support::TestDatabase;

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// How much of the repository the corpus may take, in bytes.
const SMALL: usize = 200_000;

/// What is in the corpus of a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap();
    let kept: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(kept.len() > 10, "{} holds too little", folder.display());
    assert!(kept.iter().map(Vec::len).sum::<usize>() < SMALL / 4, "{} is too large", folder.display());
    kept
}

#[test]
fn filters_that_can_be_read_run() {
    let database = TestDatabase::create();
    let mut house = targets::House::on(&database.url());
    corpus("filter").iter().for_each(|data| house.filter(data));
}

#[test]
fn bodies_are_stored_or_refused_with_a_reason() {
    let database = TestDatabase::create();
    let mut house = targets::House::on(&database.url());
    corpus("merge_patch").iter().for_each(|data| house.merge_patch(data));
}

#[test]
fn calendars_become_holidays_or_are_refused() {
    corpus("holidays").iter().for_each(|data| targets::holidays(data));
}

#[test]
fn logs_become_events_or_bad_rows() {
    corpus("import").iter().for_each(|data| targets::import(data));
}

#[test]
fn scripts_keep_within_their_limits() {
    corpus("policy").iter().for_each(|data| targets::policy(data));
}
