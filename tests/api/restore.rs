//! Backups, apart from what they hold: that is tested in rough weather.

use crate::support::process::{command, prepared};

#[cfg(unix)]
#[test]
fn a_backup_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (database, _) = prepared();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    assert!(command(&database.url()).arg("backup").arg(&copy).status().unwrap().success());
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
}
