//! What an alert of the Zwicky Transient Facility is: packets, stamps, bands, sky coordinates, and a simulator of all of them.
//! The only folder that knows Avro, parquet and FITS; it knows no stage, no cache and no network.

pub mod alert;
pub mod archive;
mod arrays;
pub mod container;
pub mod crossmatch;
pub mod cutout;
mod dates;
pub mod decode;
pub mod described;
pub mod feed;
pub mod fits;
#[doc(hidden)]
pub mod fuzzing;
pub mod history;
mod images;
pub mod inflate;
pub mod inspect;
pub mod labels;
mod lanes;
mod line;
mod npy;
pub mod packet;
pub mod packet_schema;
mod parquet;
pub mod quality;
#[cfg(test)]
pub(crate) mod real_alerts;
mod record;
mod repair;
mod route;
mod rubin;
mod schema_limits;
pub mod schemas;
pub mod simulator;
pub mod sky;
pub mod tarball;
pub mod writer;
