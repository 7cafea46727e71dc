//! What a fuzz target is: a reader by its name.

mod readers;

use readers::READERS;

/// Shows `bytes` to the reader called `name`.
pub fn show(name: &str, bytes: &[u8]) {
    let reader = READERS.iter().find(|(known, _)| *known == name);
    reader.unwrap_or_else(|| panic!("no reader is called {name}")).1(bytes);
}

/// The fuzz target of the reader with this name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::show($name, bytes));
    };
}
