//! What an alert of the Zwicky Transient Facility is: packets, stamps, bands, sky coordinates, and a simulator of all of them.
//! The only folder that knows Avro and FITS; it knows no stage, no cache and no network.

pub mod alert;
pub mod archive;
pub mod container;
pub mod cutout;
pub mod decode;
pub mod feed;
pub mod fits;
#[doc(hidden)]
pub mod fuzzing;
pub mod inflate;
pub mod inspect;
pub mod labels;
mod lanes;
mod line;
pub mod packet;
pub mod packet_schema;
pub mod quality;
#[cfg(test)]
mod real_alerts;
mod route;
mod schema_limits;
pub mod schemas;
pub mod simulator;
pub mod sky;
pub mod tarball;
pub mod writer;
