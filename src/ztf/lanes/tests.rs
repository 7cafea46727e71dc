//! The lanes against encoders of another crate and against `libdeflate`, on sound, damaged and random streams.

use super::*;
use crate::ztf::inflate::Inflater;
use flate2::{Compression, write::DeflateEncoder};
use proptest::prelude::*;
use std::io::Write;

const LIMIT: usize = 1 << 20;

fn deflated(plain: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// What comes out of each stream, and how many bytes it took.
fn inflate(streams: &[Vec<u8>]) -> Vec<Option<(Vec<u8>, usize)>> {
    let inputs: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
    let mut found = vec![None; streams.len()];
    let mut inflaters = Inflaters::default();
    for _ in 0..2 {
        let keep = |i: usize, out: Option<(&[u8], usize)>| found[i] = out.map(|(bytes, len)| (bytes.to_vec(), len));
        inflaters.inflate(&inputs, LIMIT, keep);
    }
    found
}

/// Bytes with structure: noise of some width, runs, and repeats of what came before.
fn plain() -> impl Strategy<Value = Vec<u8>> {
    let part = (0_u8..4, any::<u64>(), 1_usize..3000);
    prop::collection::vec(part, 0..12).prop_map(|parts| {
        let mut bytes = Vec::new();
        for (kind, seed, len) in parts {
            let mut state = seed | 1;
            for i in 0..len {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let noise = (state >> 40) as u8;
                let back = 1 + seed as usize % 5000;
                bytes.push(match kind {
                    0 => noise,
                    1 => seed as u8,
                    2 => noise & [0x0f, 0x03, 0x3f, 0x11][i % 4],
                    _ => bytes.len().checked_sub(back).map_or(noise, |at| bytes[at]),
                });
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_deflated_comes_out(plains in prop::collection::vec(plain(), 1..10), level in 0_u32..10) {
        let streams: Vec<Vec<u8>> = plains.iter().map(|plain| deflated(plain, level)).collect();
        let behind = |stream: &Vec<u8>| [&stream[..], b"abc"].concat();
        for (stream, (found, plain)) in streams.iter().zip(inflate(&streams).into_iter().zip(&plains)) {
            prop_assert_eq!(found, Some((plain.clone(), stream.len())));
        }
        let more: Vec<Vec<u8>> = streams.iter().map(behind).collect();
        for (stream, (found, plain)) in streams.iter().zip(inflate(&more).into_iter().zip(&plains)) {
            prop_assert_eq!(found, Some((plain.clone(), stream.len())));
        }
    }

    /// Damage is either found, or gives what the other decoder gives.
    #[test]
    fn damage_never_gives_other_bytes(
        plain in plain(), level in 0_u32..10, flips in prop::collection::vec((any::<usize>(), any::<u8>()), 8), cut in any::<usize>(),
    ) {
        let good = deflated(&plain, level);
        let flipped = |(at, with): &(usize, u8)| {
            let mut bytes = good.clone();
            bytes[at % good.len()] ^= with;
            bytes
        };
        let mut streams: Vec<Vec<u8>> = flips.iter().map(flipped).collect();
        streams.push(good[..cut % good.len()].to_vec());
        prop_assert!(inflate(&streams[8..])[0].is_none(), "cut short");
        let mut inflater = Inflater::default();
        for (stream, found) in streams.iter().zip(inflate(&streams)) {
            if let Some((bytes, _)) = found {
                let other = inflater.deflate(stream, LIMIT).map(<[u8]>::to_vec);
                prop_assert_eq!(other, Ok(bytes));
            }
        }
    }

    #[test]
    fn garbage_does_no_harm(streams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..20)) {
        let mut inflater = Inflater::default();
        for (stream, found) in streams.iter().zip(inflate(&streams)) {
            if let Some((bytes, _)) = found {
                prop_assert_eq!(inflater.deflate(stream, LIMIT), Ok(&bytes[..]));
            }
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let mut inflaters = Inflaters::default();
    let (bomb, fits) = (deflated(&vec![0; 9 * LIMIT], 9), deflated(&vec![7; LIMIT], 9));
    let mut found = Vec::new();
    inflaters.inflate(&[&bomb, &fits], LIMIT, |i, out| found.push((i, out.map(|(bytes, _)| bytes.len()))));
    found.sort_unstable();
    assert_eq!(found, [(0, None), (1, Some(LIMIT))]);
    assert!(inflaters.0.iter().all(|room| room.len() < 3 * LIMIT));
}
