//! Backups, apart from what they hold: that is tested in rough weather.

use crate::support::{
    TestDatabase,
    process::{command, prepared_on},
};

#[cfg(unix)]
#[test]
fn a_backup_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (database, _) = prepared_on(TestDatabase::create_alone());
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    assert!(command(&database.url()).arg("backup").arg(&copy).status().unwrap().success());
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
}
