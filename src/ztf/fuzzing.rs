//! What the fuzz targets of `fuzz/` call and nobody else: pairs of quick way and slow judge, which must agree.
//! Hidden from the documentation; knows no fuzzer.

use super::container::{BLOCK_LIMIT, Container};
use super::decode::Decoder;
use super::feed::Piece;
use super::inflate::Inflater;
use super::lanes::Inflaters;
use super::packet::Packet;
use super::schemas::Schemas;
use std::io::Cursor;
use std::sync::{Arc, LazyLock};

/// What the side-by-side inflater makes of each stream of raw deflate: its bytes, and how many bytes of input it took.
pub fn inflate_side_by_side(streams: &[&[u8]], limit: usize) -> Vec<Option<(Vec<u8>, usize)>> {
    let mut found = vec![None; streams.len()];
    Inflaters::default().inflate(streams, limit, |i, out| found[i] = out.map(|(bytes, taken)| (bytes.to_vec(), taken)));
    found
}

/// What the one-by-one inflater makes of a stream of raw deflate.
pub fn inflate_alone(stream: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    Inflater::default().deflate(stream, limit).map(<[u8]>::to_vec)
}

/// Decodes the record at the start of `bytes`, plainly and by the general decoder.
///
/// # Panics
/// The plain way gives another packet, or gives one where the general decoder finds a fault.
pub fn compare_ways(schema: &[u8], bytes: &[u8]) {
    static SCHEMAS: LazyLock<Schemas> = LazyLock::new(Schemas::default);
    let Ok(schema) = SCHEMAS.get(schema) else { return };
    let (mut plain, mut general) = (Packet::new(true), Packet::new(true));
    let taken = schema.route.as_ref().and_then(|route| route.follow(&mut plain, bytes));
    let judged = general.decode_any(&schema.schema, bytes);
    if let Some(taken) = taken {
        assert_eq!(judged, Ok(taken));
        assert_eq!(format!("{plain:?}"), format!("{general:?}"));
    }
}

/// Decodes a container as a whole, and as blocks that are read side by side as those of large files are.
///
/// # Panics
/// The readings differ.
pub fn compare_pieces(bytes: &[u8]) {
    let decoder = || Decoder::new(Arc::default(), Arc::default());
    let file: Arc<str> = "fuzz".into();
    let whole = decoder().container(&file, bytes);
    let Ok(container) = Container::open(Cursor::new(bytes)) else { return };
    let header = Arc::clone(container.header());
    let piece = |block| Piece::Block { file: Arc::clone(&file), header: Arc::clone(&header), block };
    let blocks: Vec<Piece> = container.map(piece).collect();
    let apart: Vec<_> = decoder().pieces(blocks).into_iter().flatten().collect();
    if !apart.is_empty() {
        assert_eq!(format!("{whole:?}"), format!("{apart:?}"));
    }
}

/// Most bytes that a block may inflate to.
pub const LIMIT: usize = BLOCK_LIMIT;
