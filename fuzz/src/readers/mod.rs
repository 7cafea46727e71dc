//! The readers that get hostile bytes, one list, which a test of the project goes through, too. A reader may refuse, in
//! words; it may not panic, hang, or take memory that nothing in the bytes pays for, and where it has a quick way, that must
//! agree with the slow one.

mod classifiers;
mod files;
mod inflate;
mod packets;
mod tables;

/// Every reader with the name of its target.
pub(crate) const READERS: [(&str, fn(&[u8])); 13] = [
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
    ("classifiers", classifiers::classifiers),
    ("csv", tables::csv),
    ("toml", files::toml),
];
