//! What an alert of the Zwicky Transient Facility is: packets, stamps, bands, sky coordinates, and a simulator of all of them.
//! The only folder that knows Avro and FITS; it knows no stage, no cache and no network.

pub mod alert;
pub mod sky;
