//! PostgreSQL's client and QuickJS, which zen-engine brings, each have a function `unicode_normalize`. Neither is called here: the first
//! of them is taken for both.

fn main() {
    println!("cargo:rustc-link-arg-benches=-Wl,--allow-multiple-definition");
    println!("cargo:rerun-if-changed=build.rs");
}
