//! Files that hold what is expected. `POINTSMAN_UPDATE_GOLDEN=1 cargo test` writes them anew; look at the difference before you
//! commit it.

use std::path::Path;

/// Asserts that a file of the repository holds exactly this text.
pub fn holds(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("POINTSMAN_UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected == text {
        return;
    }
    let difference =
        similar::TextDiff::from_lines(expected.as_str(), text).unified_diff().context_radius(2).to_string();
    let difference: Vec<&str> = difference.lines().take(60).collect();
    panic!("{file} is not what it was; POINTSMAN_UPDATE_GOLDEN=1 writes it anew:\n{}", difference.join("\n"));
}

/// The text of a file of the repository.
pub fn source(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"))
}
