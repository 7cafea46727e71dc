//! The readers that get hostile bytes, one list. A reader may refuse, in words; it may not panic, hang, or take memory
//! that nothing in the bytes pays for, and where it has a quick way, that must agree with the slow one.

mod files;
mod inflate;
mod packets;
mod tables;

/// Every reader with the name of its target.
pub const READERS: [(&str, fn(&[u8])); 12] = [
    ("avro", packets::avro),
    ("record", packets::record),
    ("fits", packets::fits),
    ("cutout", packets::cutout),
    ("inflate", inflate::inflate),
    ("gzip", inflate::gzip),
    ("tar", packets::tar),
    ("weights", files::weights),
    ("pickle", files::pickle),
    ("npy", files::npy),
    ("csv", tables::csv),
    ("toml", files::toml),
];

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
