#![no_main]

use std::sync::{LazyLock, Mutex};

use pointsman_fuzz::House;

static HOUSE: LazyLock<Mutex<House>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap().keep();
    Mutex::new(House::on(folder.join("fuzz.db").to_str().unwrap()))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| HOUSE.lock().unwrap().filter(data));
